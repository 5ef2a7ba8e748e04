"""Records on disk: `results/ENCODER/PROTOCOL/DATASET.json`, beside it the Parquet of its examples; written atomically."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from repbench.digests import digest_text
from repbench.errors import RecordError
from repbench.results.record import Record, record_from_json

if TYPE_CHECKING:
    import pandas as pd

_UNSAFE = re.compile(r"[^A-Za-z0-9._+=-]+")


def encoder_folder(name: str) -> str:
    """A safe folder name for an encoder; a digest keeps apart names that only differ in characters that were replaced."""
    safe = _UNSAFE.sub("-", name).strip("-.")[:80]
    return safe if safe == name else f"{safe}-{digest_text(name)[:6]}"


def record_path(results: Path, encoder: str, task: str) -> Path:
    """Where the record of an encoder on a task lies."""
    protocol, dataset = task.split("/")
    return results / encoder_folder(encoder) / protocol / f"{dataset}.json"


def write_record(results: Path, record: Record, examples: pd.DataFrame | None) -> Path:
    """Write examples first, then the record: where there is a record, it is complete. Raises RecordError."""
    path = record_path(results, record.encoder, record.task)
    text = record.to_json()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".parquet")
        if examples is not None:
            temporary = beside.with_name(f".{beside.name}.{os.getpid()}.tmp")
            examples.to_parquet(temporary, index=False)
            os.replace(temporary, beside)
        elif beside.exists():
            beside.unlink()
        write_atomically(path, text)
    except OSError as error:
        raise RecordError(f"{path}: the record cannot be written ({error.strerror or error}).") from error
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never a part. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_record(results: Path, encoder: str, task: str) -> Record | None:
    """The record of an encoder on a task, or None where there is none. Raises RecordError for a damaged one."""
    path = record_path(results, encoder, task)
    if not path.is_file():
        return None
    return record_from_json(path.read_text(encoding="utf-8"), str(path))


def read_records(results: Path) -> Iterator[Record]:
    """All records below a folder, in the order of their paths. Raises RecordError for a damaged one or a missing folder."""
    if not results.is_dir():
        raise RecordError(f"{results}: there is no such folder of results; `repbench run ... --out {results}` makes one.")
    for path in sorted(results.glob("*/*/*.json")):
        yield record_from_json(path.read_text(encoding="utf-8"), str(path))


def read_examples(results: Path, encoder: str, task: str) -> pd.DataFrame | None:
    """The examples of an encoder on a task, or None where none are kept. Raises RecordError for a damaged file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = record_path(results, encoder, task).with_suffix(".parquet")
    if not path.is_file():
        return None
    try:
        table: pd.DataFrame = pq.ParquetFile(path).read(use_threads=False).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordError(f"{path}: the examples cannot be read ({error}).") from error
    return table
