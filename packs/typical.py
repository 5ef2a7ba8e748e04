"""How typical the captions of the embedded probes are for a sentence encoder, which ships: `python packs/typical.py [--check]`.

One small file a probe in bench/repbench/datasets/typical/: for each example of test its key and a score a caption, rounded so
that another machine's last digit makes no other file. embeddings/typical.py says what the scores are and reads them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from packs.common import PACK_FOLDER
from repbench.embeddings.needs import SENTENCES, SHIPPED
from repbench.embeddings.typical import example_key, sentence_tower
from repbench.measure.blind import typicality_apart
from repbench.protocols._blind import true_captions
from repbench.tasks import load_catalogue

PROBES = ("emoji-captions", "emoji-pairs", "furniture-scenes", "stamps-captions", "stamps-pairs")
DIGITS = 5
BATCH = 64


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a checked file differs by more than the last digit."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("--check", action="store_true", help="compare with the committed files and write none")
    options = parser.parse_args(arguments)
    status = 0
    for name in PROBES:
        path = SHIPPED / f"{name}.parquet"
        if options.check:
            same = differs(name, path) <= 1
            print(f"{name}: {'as made' if same else 'not what packs/typical.py makes'}")
            status |= not same
        else:
            write(name, path)
            print(f"{name}: {path.stat().st_size:,} bytes")
    return status


def write(name: str, path: Path) -> None:
    """Write the file of a probe."""
    keys, scores = made(name)
    columns = {f"caption_{k}": scores[:, k].astype(np.float32) for k in range(scores.shape[1])}
    table = pa.table({"key": pa.array(keys, pa.uint64()), **columns})
    table = table.replace_schema_metadata(
        {"repbench": f"mean cosine with true captions of other clusters of test, by {SENTENCES}"}
    )
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=19, write_statistics=False)


def differs(name: str, path: Path) -> float:
    """By how many units of the last digit a probe's file differs at most from what is made now; infinite for other keys."""
    with tempfile.TemporaryDirectory() as folder:
        write(name, Path(folder) / path.name)
        made, there = pq.read_table(Path(folder) / path.name), pq.read_table(path)
    if made.column_names != there.column_names or made.column("key") != there.column("key"):
        return float("inf")
    apart = [np.abs(made.column(one).to_numpy() - there.column(one).to_numpy()).max() for one in made.column_names[1:]]
    return float(round(max(apart) * 10**DIGITS, 1))


def made(name: str) -> tuple[list[int], np.ndarray]:
    """The keys of the examples of test and their rounded scores (n, captions). The pictures need not be here."""
    declaration = load_catalogue().datasets[name]
    assert declaration.probe is not None
    rows = pq.read_table(PACK_FOLDER / f"{name}.parquet").to_pandas().query("split == 'test'")
    columns = declaration.probe.captions_of(declaration.columns)
    captions = rows[list(columns)].astype(str)
    true = np.tile(np.isin(columns, true_captions(declaration.probe.rule, columns)), (len(rows), 1))
    groups = rows[declaration.cluster or "id"].to_numpy()
    scores = typicality_apart([_embedded(captions[column].tolist()) for column in columns], true, groups)
    assert scores is not None
    keys = [example_key(one, row) for one, row in zip(rows["id"].astype(str), captions.to_numpy().tolist(), strict=True)]
    return keys, scores.round(DIGITS)


def _embedded(texts: list[str]) -> np.ndarray:
    tower = sentence_tower()
    batches = [texts[first : first + BATCH] for first in range(0, len(texts), BATCH)]
    with torch.inference_mode():
        rows = [tower.module(torch.stack([tower.prepare(text) for text in batch])).numpy() for batch in batches]
    return np.concatenate(rows)


if __name__ == "__main__":
    sys.exit(main())
