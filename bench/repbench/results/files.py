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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from repbench.digests import digest_bytes, digest_text
from repbench.errors import RecordError, UsageError
from repbench.remote import drop, send
from repbench.results.record import DONE, Inputs, Record, record_from_json

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

EXAMPLES = "examples"  # among the circumstances, the digest of the file of examples
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
    import pyarrow as pa

    record.to_json()  # what cannot be written is told before anything is
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if record.status != DONE:
            write_atomically(failure, record.to_json())
            send(results, failure)
            return failure
        if examples is not None:
            write_table(beside, pa.Table.from_pandas(examples, preserve_index=False))
            send(results, beside)
            record = replace(record, circumstances={**record.circumstances, EXAMPLES: digest_bytes(beside.read_bytes())})
        write_atomically(path, record.to_json())
        send(results, path)
        drop(results, failure)
    except OSError as error:
        raise RecordError(f"{path}: the record cannot be written ({error.strerror or error}).") from error
    return path


def forget_failure(results: Path, record: Record) -> None:
    """A result that holds again, for its data are what they were: a failure since then is gone."""
    path = record_path(results, record.encoder, record.task, record.inputs)
    with contextlib.suppress(OSError):
        drop(results, path.with_suffix(".failed.json"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file whole or not at all. Raises OSError."""
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table, temporary)
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
    """The result of an encoder on a task under such settings, or None where there is none. Raises RecordError if damaged.

    A record without the examples that were written with it is none.
    """
    path = record_path(results, encoder, task, inputs)
    try:
        record = record_at(path)
        _check_examples(path.with_suffix(".parquet"), record)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error}).") from error
    return record


def record_at(path: Path) -> Record:
    """The record in a file. Raises RecordError if it is damaged, and OSError."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: this is no record of repbench ({error}).") from error
    return record_from_json(text, str(path))


def _check_examples(path: Path, record: Record) -> None:
    """Raise RecordError where the examples beside a record are not those that were written with it, and OSError."""
    expected = record.circumstances.get(EXAMPLES)
    if expected is not None and expected != digest_bytes(path.read_bytes()):
        raise RecordError(f"{path}: the examples are damaged, or others: they are not those that the record was written with.")


def read_records(results: Path) -> Iterator[Record]:
    """All records below a folder, failures too, in the order of their paths. Raises UsageError for a missing folder and
    RecordError for a damaged record.
    """
    for path in record_files(results):
        yield record_at(path)


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
        _check_examples(path, record)
        table: pd.DataFrame = pq.ParquetFile(path).read(use_threads=False).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordError(f"{path}: the examples cannot be read ({error}).") from error
    return table
