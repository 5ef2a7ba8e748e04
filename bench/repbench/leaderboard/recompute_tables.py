"""The tables of a pack once more from its records: CSV, Parquet, Markdown, LaTeX, and what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from repbench.errors import RepbenchError
from repbench.leaderboard.judge import ReadExamples, judge
from repbench.leaderboard.latex import latex
from repbench.leaderboard.long import long_table
from repbench.leaderboard.page import page_holds
from repbench.leaderboard.publish import csv_text, main_table
from repbench.leaderboard.tables import Board
from repbench.leaderboard.wide_rows import whole_table


def unlike_tables(folder: Path, board: Board, read: ReadExamples) -> list[str]:
    """Which tables are not what the records and their examples give, in words."""
    try:
        verdicts = judge(board, read)
    except RepbenchError:
        return []  # examples that cannot be read are told where each record is recomputed
    wide, long = csv_text(whole_table(board, reported=False)), csv_text(long_table(board))
    holds: dict[str, Callable[[Path], bool]] = {
        "leaderboard.csv": lambda path: _text(path) == wide,
        "leaderboard.long.csv": lambda path: _text(path) == long,
        "leaderboard.parquet": lambda path: csv_text(pd.read_parquet(path)) == long,
        "leaderboard.md": lambda path: main_table(board, verdicts) in _text(path),
        "leaderboard.tex": lambda path: latex(board, verdicts) == _text(path),
        "leaderboard.html": lambda path: page_holds(_text(path), board, verdicts),
    }
    return [f"{name} is not what the records give" for name, how in holds.items() if not _does(how, folder / name)]


def _does(how: Callable[[Path], bool], path: Path) -> bool:
    try:
        return how(path)
    except (OSError, ValueError, KeyError, TypeError):  # missing, damaged, or no file of that kind
        return False


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
