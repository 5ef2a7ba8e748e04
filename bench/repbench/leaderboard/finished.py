"""A board that is finished already: where no record, no file of the board and no line of the program changed since, a large
board is not made again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from repbench.leaderboard.memory import MANY, Memory, count_of, memory_of, scan, stamp_of


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What was printed and written for these records: kept under `name`, believed only with the same `key`."""

    memory: Memory
    name: str
    key: str

    def recall(self) -> tuple[str, list[Path]] | None:
        """What was printed and which files were written, if all of it is still as it was; None otherwise."""
        stored = self.memory.text(self.name, self.key)
        if stored is None or any(stamp_of(path) != stamp for path, stamp in stored["files"]):
            return None
        return stored["printed"], [Path(path) for path, _ in stored["files"]]

    def keep(self, printed: str, written: Iterable[Path]) -> None:
        """Remember what was printed and written."""
        found = [(str(path), stamp_of(str(path))) for path in written]
        self.memory.keep_text(self.name, self.key, {"printed": printed, "files": found})


def finished_of(results: Sequence[Path], out: Path | None, width: int) -> Finished | None:
    """What may be remembered of the board of these folders, written to `out` and printed in so many
    columns; None for a small board. Ask before reading a
    record: then one that changes meanwhile makes the board anew the next time.
    """
    if not all(folder.is_dir() for folder in results) or sum(map(count_of, results)) < MANY:
        return None
    told = [f"{path} {identity}" for folder in results for path, identity in scan(folder)]
    key = hashlib.sha256("\n".join([*_program(), *told]).encode()).hexdigest()
    name = f"finished {out if out is None else out.resolve()} {out} {width}"
    return Finished(memory=memory_of(results), name=name, key=key)


def _program() -> list[str]:
    """The stamps of what makes the board: another version of these files may write it differently."""
    root = str(files("repbench"))
    folders = [os.path.join(root, *part) for part in ((), ("leaderboard",), ("leaderboard", "web"), ("measure",), ("results",))]
    found = (entry.path for folder in folders for entry in os.scandir(folder) if entry.is_file())
    return [f"{path} {stamp_of(path)}" for path in sorted(found)]
