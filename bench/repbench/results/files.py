"""Records on disk, written atomically: `results/ENCODER/NETWORK/PROTOCOL/DATASET.json`, beside each its examples (Parquet).

NETWORK is the encoder's fingerprint and what the run was told beside the defaults, so that two checkpoints of one name, two
seeds, or a quick look and a full run never overwrite each other. A failure lies in `DATASET.failed.json` and replaces no
result.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from repbench.digests import digest_text
from repbench.errors import RecordError, UsageError
from repbench.results.record import DONE, Inputs, Record, record_from_json

if TYPE_CHECKING:
    import pandas as pd

_UNSAFE = re.compile(r"[^A-Za-z0-9._+=-]+")


def encoder_folder(name: str) -> str:
    """A safe folder name for an encoder; a digest keeps apart names that only differ in characters that were replaced."""
    safe = _UNSAFE.sub("-", name).strip("-.")[:80]
    return safe if safe == name else f"{safe}-{digest_text(name)[:6]}"


def network_folder(inputs: Inputs) -> str:
    """The folder of one network under the settings of a run: "3f2a91bc04de", or "3f2a91bc04de+limit=50+seed=1"."""
    return "+".join(_UNSAFE.sub("-", part) for part in (inputs.encoder_fingerprint[:12], *inputs.unusual)).strip(".") or "-"


def record_path(results: Path, encoder: str, task: str, inputs: Inputs) -> Path:
    """Where the record of an encoder on a task lies: below `results`, whatever the record, which may be another's, holds.

    Raises RecordError for a task that is no name of a protocol and one of a dataset.
    """
    protocol, slash, dataset = task.partition("/")
    if not slash or any(set("/\\\0") & set(part) or part in ("", ".", "..") for part in (protocol, dataset)):
        raise RecordError(f"{task!r} is no task; expected PROTOCOL/DATASET.")
    name = "+".join([dataset, *(_UNSAFE.sub("-", one) for one in inputs.told)])  # a quick look replaces no full result
    return results / encoder_folder(encoder) / network_folder(inputs) / protocol / f"{name}.json"


def write_record(results: Path, record: Record, examples: pd.DataFrame | None) -> Path:
    """Write examples first, then the record: where there is a record, it is complete. Raises RecordError."""
    path = record_path(results, record.encoder, record.task, record.inputs)
    failure, beside = path.with_suffix(".failed.json"), path.with_suffix(".parquet")
    text = record.to_json()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if record.status != DONE:
            write_atomically(failure, text)
            return failure
        if examples is not None:
            _write_examples(beside, examples)
        write_atomically(path, text)
        failure.unlink(missing_ok=True)
    except OSError as error:
        raise RecordError(f"{path}: the record cannot be written ({error.strerror or error}).") from error
    return path


def _write_examples(path: Path, examples: pd.DataFrame) -> None:
    """Write a Parquet file whole or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        examples.to_parquet(temporary, index=False)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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


def read_record(results: Path, encoder: str, task: str, inputs: Inputs) -> Record | None:
    """The result of an encoder on a task under such settings, or None where there is none. Raises RecordError if damaged."""
    path = record_path(results, encoder, task, inputs)
    if not path.is_file():
        return None
    return record_from_json(path.read_text(encoding="utf-8"), str(path))


def read_records(results: Path) -> Iterator[Record]:
    """All records below a folder, failures too, in the order of their paths. Raises UsageError for a missing folder and
    RecordError for a damaged record.
    """
    for path in record_files(results):
        yield record_from_json(path.read_text(encoding="utf-8"), str(path))


def record_files(results: Path) -> list[Path]:
    """The files of all records below a folder, sorted. Raises UsageError where there is no such folder."""
    if not results.is_dir():
        raise UsageError(f"{results}: there is no such folder of results; `repbench run ... --out {results}` makes one.")
    return sorted(results.glob("*/*/*/*.json"))


def read_examples(results: Path, record: Record) -> pd.DataFrame | None:
    """The examples of a record below `results`, or None where none are kept. Raises RecordError for a damaged file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = record_path(results, record.encoder, record.task, record.inputs).with_suffix(".parquet")
    if not path.is_file():
        return None
    try:
        table: pd.DataFrame = pq.ParquetFile(path).read(use_threads=False).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordError(f"{path}: the examples cannot be read ({error}).") from error
    return table
