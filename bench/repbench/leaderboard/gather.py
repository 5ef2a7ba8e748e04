"""Records and their examples from folders of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from repbench.leaderboard.memory import MANY, Memory, count_of, memory_of
from repbench.leaderboard.tables import Board, make_board, named, row_names
from repbench.results.files import read_examples, read_records
from repbench.results.record import PUBLISHED, Inputs, Record


class Examples:
    """Reads the examples of a record of the board; knows the files that a record came from where the board remembers."""

    def __init__(self, where: dict[tuple[str, Inputs, str], tuple[Path, Record, str]], memory: Memory | None = None) -> None:
        self._where, self.memory = where, memory

    def __call__(self, record: Record) -> pd.DataFrame | None:
        """Its examples, None where none are kept. Raises RecordError for a damaged file."""
        if record.encoder_kind == PUBLISHED:
            return None
        folder, one, _ = self._where[record.encoder, record.inputs, record.task]
        return read_examples(folder, one)

    def identity(self, record: Record) -> str:
        """What the files of the record are known by."""
        if record.encoder_kind == PUBLISHED:
            return f"{record.encoder} {record.value}"
        return self._where[record.encoder, record.inputs, record.task][2]


def open_board(folders: Sequence[Path], *, remember: bool = False) -> tuple[Board, Examples]:
    """The board of all records below the folders, and how to read the examples of one of them.

    `remember`: a large board keeps what it found in the user's cache. Raises UsageError for a missing folder and RecordError
    for a damaged record.
    """
    large = remember and all(folder.is_dir() for folder in folders) and sum(map(count_of, folders)) >= MANY
    memory = memory_of(folders) if large else None
    found: list[tuple[Path, Record, str]] = []
    for place, folder in enumerate(folders):
        if memory is None:
            found += [(folder, record, "") for record in read_records(folder)]
        else:
            own, whole = Memory(memory.folder / str(place)), folder.resolve()
            found += [(folder, record, f"{whole}/{identity}") for record, identity in own.records(folder)]
    rows = row_names([record for _, record, _ in found])
    where = {(rows[named(one)], one.inputs, one.task): (folder, one, identity) for folder, one, identity in reversed(found)}
    return make_board(record for _, record, _ in found), Examples(where, memory)
