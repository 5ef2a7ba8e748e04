"""What a large board remembers between two calls, so that a warm `repbench leaderboard` reads only what changed.

Plain JSON and arrays (never pickle), in the user's cache. A part is believed only if the files that it came from have the size,
time and place on disk that they had; whatever is damaged, stale or of another version is made anew. `repbench publish` and
`repbench verify` do not use it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from repbench import __version__
from repbench.errors import RecordError
from repbench.results.files import record_at, write_atomically
from repbench.results.record import Inputs, Metric, Record

MANY = 2000  # records from which a board remembers; fewer are read as fast
FORMAT = 2
SHARED = ("towers", "load_report", "notes", "versions", "options")  # equal in many records: kept once
NAMES = tuple(one.name for one in fields(Record))
INPUTS, METRIC = tuple(one.name for one in fields(Inputs)), tuple(one.name for one in fields(Metric))


class Memory:
    """The memory of one folder of results, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self, results: Path) -> list[tuple[Record, str]]:
        """All records below `results`, each with the identity of its files. Raises RecordError for a damaged record."""
        known = self._known_records()
        found: list[tuple[Record, str]] = []
        fresh = 0
        for path, identity in scan(results):
            record = known.get((path, identity))
            if record is None:
                fresh += 1
                whole = results / path
                record = record_at(whole)
            found.append((record, f"{path} {identity}"))
        if fresh or len(known) != len(found):
            self._write("records.json", _packed_records(found))
        return found

    def column(self, task: str) -> dict[str, np.ndarray]:
        """What is remembered of a task: arrays by name, none where there is nothing to believe."""
        try:
            with open(self._column_path(task), "rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return {}
        return arrays if str(arrays.pop("format", "")) == _format() else {}

    def keep_column(self, task: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Remember the arrays of a task; a cache that cannot be written is none, and no error."""
        path = self._column_path(task)
        beside = path.with_suffix(f".{os.getpid()}.tmp.npz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            named: dict[str, Any] = {"format": np.array(_format()), **arrays}
            np.savez(beside, **named)
            os.replace(beside, path)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    def text(self, name: str, key: str) -> Any:
        """What JSON was kept under a name, if it was kept with that key; None otherwise."""
        try:
            stored = json.loads(self._text_path(name).read_text(encoding="utf-8"))
            return stored["content"] if stored["key"] == f"{_format()} {key}" else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep_text(self, name: str, key: str, content: Any) -> None:
        """Remember JSON under a name."""
        self._write(self._text_path(name).name, {"key": f"{_format()} {key}", "content": content})

    def _text_path(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:20]}.json"

    def _column_path(self, task: str) -> Path:
        return self.folder / f"{hashlib.sha256(task.encode()).hexdigest()[:20]}.npz"

    def _known_records(self) -> dict[tuple[str, str], Record]:
        try:
            stored = json.loads((self.folder / "records.json").read_text(encoding="utf-8"))
            if stored["format"] != _format():
                return {}
            return {tuple(key.rsplit(" ", 1)): _unpacked(row, stored["shared"]) for key, row in stored["rows"]}  # type: ignore[misc]
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return {}

    def _write(self, name: str, content: Any) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / name, json.dumps(content, separators=(",", ":"), allow_nan=False))
        except (OSError, ValueError):
            return


def memory_of(results: Sequence[Path]) -> Memory:
    """The memory of these folders: a folder of its own in the user's cache."""
    whole = "\n".join(str(one.resolve()) for one in results)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Memory(cache / "repbench" / "boards" / hashlib.sha256(whole.encode()).hexdigest()[:20])


def scan(results: Path) -> Iterator[tuple[str, str]]:
    """The records below a folder of results as path and identity: size, time and place on disk of record and examples."""
    for path in sorted(_files(str(results), 3)):
        beside = path.removesuffix(".json") + ".parquet"
        try:
            told = os.stat(path)
        except OSError as error:
            raise RecordError(f"{path}: cannot be read ({error.strerror or error}).") from error
        yield path[len(str(results)) + 1 :], f"{_stamp(told)}-{stamp_of(beside)}"


def count_of(results: Path, enough: int = MANY) -> int:
    """How many records lie below a folder, counted up to `enough`."""
    count = 0
    for _ in _files(str(results), 3):
        count += 1
        if count >= enough:
            break
    return count


def _files(folder: str, depth: int) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if depth and entry.is_dir():
            yield from _files(entry.path, depth - 1)
        elif not depth and entry.name.endswith(".json"):
            yield entry.path


def _stamp(told: os.stat_result) -> str:
    return f"{told.st_size}.{told.st_mtime_ns}.{told.st_ino}"


def stamp_of(path: str) -> str:
    """Size, time and place on disk of a file; "none" where there is none."""
    try:
        return _stamp(os.stat(path))
    except OSError:
        return "none"


def _format() -> str:
    return f"{FORMAT} {__version__}"


def _packed_records(found: Sequence[tuple[Record, str]]) -> dict[str, Any]:
    shared: list[Any] = []
    places: dict[str, int] = {}
    known: dict[int, int] = {}  # of values that were shared when they were read: those objects are one, and need no text
    rows = []
    for record, key in found:
        table = {name: getattr(record, name) for name in NAMES}
        table["inputs"] = list(vars(record.inputs).values())
        table["metrics"] = {name: [one.value, one.low, one.high] for name, one in record.metrics.items()}
        for name in SHARED:
            one = table[name]
            if id(one) not in known:
                value = asdict(one) if hasattr(one, "__dataclass_fields__") else one
                text = json.dumps(value, sort_keys=True)
                if text not in places:
                    places[text] = len(shared)
                    shared.append(value)
                known[id(one)] = places[text]
            table[name] = known[id(one)]
        rows.append((key, list(table.values())))
    return {"format": _format(), "shared": shared, "rows": rows}


def _unpacked(row: Sequence[Any], shared: Sequence[Any]) -> Record:
    table = dict(zip(NAMES, row, strict=True))
    for name in SHARED:
        table[name] = shared[table[name]]
    inputs = dict(zip(INPUTS, table["inputs"], strict=True))
    table["inputs"] = Inputs(**{**inputs, "told": tuple(inputs["told"])})
    table["metrics"] = {name: Metric(**dict(zip(METRIC, one, strict=True))) for name, one in table["metrics"].items()}
    table["deviations"] = tuple(table["deviations"])
    return Record(**table)
