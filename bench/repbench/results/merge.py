"""Several folders of results in one: what two machines or an array of jobs found, without losing or doubting any of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repbench.errors import RecordError
from repbench.results.files import record_at, record_files
from repbench.results.record import DONE, Record

SHOWN = 5  # contradictions that an error names


@dataclass(frozen=True, kw_only=True)
class Merged:
    """How many records came over, how many were there already with equal numbers, how many failures gave way to a result."""

    copied: int
    equal: int
    dropped_failures: int


def merge(folders: Sequence[Path], out: Path) -> Merged:
    """Copy all records of `folders`, with their examples, to `out`, which may hold some already.

    Records of the same inputs must have the same numbers: where they contradict each other nothing is written and RecordError
    names them. A failure is left behind where any folder has the result.
    """
    chosen: dict[Path, tuple[Path, Record]] = {}
    equal, contradictions = 0, []
    for folder in [*([out] if out.is_dir() else []), *folders]:
        for path in record_files(folder):
            _check_no_link(path)
            inside, record = path.relative_to(folder), record_at(path)
            if inside not in chosen:
                chosen[inside] = (path, record)
            elif _numbers(chosen[inside][1]) == _numbers(record):
                equal += folder != out
            else:
                contradictions.append(f"{chosen[inside][0]} and {path}")
    if contradictions:
        more = f"\n  and {len(contradictions) - SHOWN} more" if len(contradictions) > SHOWN else ""
        shown = "\n  ".join(contradictions[:SHOWN])
        raise RecordError(f"equal inputs, other numbers; remove one of each pair, nothing was written:\n  {shown}{more}")
    results = {inside for inside, (_, record) in chosen.items() if record.status == DONE}
    failures = {inside for inside in chosen if inside not in results and _result_of(inside) in results}
    copied = 0
    for inside, (path, _) in chosen.items():
        if inside in failures:
            (out / inside).unlink(missing_ok=True)
        elif path != out / inside:
            _copy(path, out / inside)
            copied += 1
    return Merged(copied=copied, equal=equal, dropped_failures=len(failures))


def _numbers(record: Record) -> Record:
    """The record without what may differ between equal runs."""
    return replace(record, circumstances={}, source="", versions={})


def _check_no_link(path: Path) -> None:
    """Raise RecordError where a record or its examples are a link, which could bring in any file of this machine."""
    for one in (path, path.with_suffix(".parquet")):
        if one.is_symlink():
            raise RecordError(f"{one}: is a link; records that are merged or published are files.")


def _result_of(failure: Path) -> Path:
    return failure.with_name(failure.name.replace(".failed.json", ".json"))


def _copy(path: Path, to: Path) -> None:
    """Examples first, then the record: where there is a record, it is complete. Raises RecordError."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        for one, place in ((path.with_suffix(".parquet"), to.with_suffix(".parquet")), (path, to)):
            if one.is_file():
                beside = place.with_name(f".{place.name}.tmp")
                shutil.copyfile(one, beside)
                beside.replace(place)
    except OSError as error:
        raise RecordError(f"{to}: cannot be written ({error.strerror or error}).") from error
