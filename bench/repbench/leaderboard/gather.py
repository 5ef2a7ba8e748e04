"""Records and their examples from folders of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from repbench.leaderboard.judge import ReadExamples
from repbench.leaderboard.tables import Board, make_board
from repbench.results.files import read_examples, read_records
from repbench.results.record import Record


def open_board(folders: Sequence[Path]) -> tuple[Board, ReadExamples]:
    """The board of all records below the folders, and how to read the examples of one of them. Raises RecordError."""
    found = [(folder, record) for folder in folders for record in read_records(folder)]
    where = {id(record): folder for folder, record in found}

    def read(record: Record) -> pd.DataFrame | None:
        return read_examples(where[id(record)], record.encoder, record.task)

    return make_board(record for _, record in found), read
