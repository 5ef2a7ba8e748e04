"""Six speakers by words that training and probe never heard: the Free Spoken Digits, cut by digit.

The user's folder holds free-spoken-digits/*.parquet with the columns audio, digit, speaker (3,000 sounds, CC BY-SA 4.0).
`spoken-words`, declared in reference/tasks, is trained and probed on the digits 0 to 5, chosen on 6, and tested on 7 to 9.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SOURCE, NAME = "free-spoken-digits", "spoken-words"
DIGITS = {"train": range(6), "val": range(6, 7), "test": range(7, 10)}


def write_words(folder: Path, data: Path | None) -> Path:
    """Write the files of FOLDER/spoken-words that are not there. Raises FileNotFoundError without the source."""
    assert data is not None
    sources = sorted((data / SOURCE).glob("*.parquet"))
    if not sources:
        raise FileNotFoundError(f"{data / SOURCE} holds no Parquet file of the Free Spoken Digits.")
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    for split, digits in DIGITS.items():
        path = folder / NAME / f"{split}-00000-of-00001.parquet"
        if not path.exists():
            whole = pq.read_table(sources)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            wanted = pa.array(list(digits), whole["digit"].type)
            pq.write_table(whole.filter(pc.is_in(whole["digit"], wanted)), temporary)
            os.replace(temporary, path)
    return folder
