"""Records and their examples from folders of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from repbench.leaderboard.judge import ReadExamples
from repbench.leaderboard.tables import Board, make_board, named, row_names
from repbench.results.files import read_examples, read_records
from repbench.results.record import Record


def open_board(folders: Sequence[Path]) -> tuple[Board, ReadExamples]:
    """The board of all records below the folders, and how to read the examples of one of them.

    Raises UsageError for a missing folder and RecordError for a damaged record.
    """
    found = [(folder, record) for folder in folders for record in read_records(folder)]
    rows = row_names([record for _, record in found])
    where = {(rows[named(one)], one.inputs, one.task): (folder, one) for folder, one in reversed(found)}

    def read(record: Record) -> pd.DataFrame | None:
        return read_examples(*where[record.encoder, record.inputs, record.task])

    return make_board(record for _, record in found), read
