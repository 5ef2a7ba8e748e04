"""Figures that papers report, as tables in the folder `leaderboard/published/`: a CSV a table, and their conventions in words.

They are shown beside what was measured, marked as reported, and count in no rank and no mean unless that is asked for.
"""

from __future__ import annotations

import csv
import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from repbench.digests import digest_text
from repbench.errors import DeclarationError, UnknownNameError
from repbench.leaderboard.tables import Board
from repbench.results.record import DONE, PUBLISHED, Metric, Record


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One figure: `percent` as it is printed. `task` and `metric` are ours, `protocol` in the words of the paper.

    `encoder` is a pattern of the names of encoders that are the same weights, or several, separated by spaces; empty where none
    is known. `conventions` names, separated by spaces, in what the figure may differ from a measured one.
    """

    system: str
    encoder: str
    protocol: str
    dataset: str
    task: str
    metric: str
    percent: str
    source: str
    table: str
    conventions: str

    @property
    def value(self) -> float:
        """As a share, as records hold it."""
        return float(self.percent) / 100

    def is_of(self, encoder: str) -> bool:
        """Whether an encoder of that name is this system."""
        return encoder == self.system or any(fnmatch.fnmatchcase(encoder, pattern) for pattern in self.encoder.split())


def published_folder() -> Path:
    """The folder of published tables: inside the installed package, or in a checkout."""
    package = Path(str(files("repbench")))
    shipped = package / "_published"
    return shipped if shipped.is_dir() else package.parent.parent / "leaderboard" / "published"


def table_names() -> list[str]:
    """The tables that there are: the names of the files."""
    return sorted(path.stem for path in published_folder().glob("*.csv"))


def read_table(name: str, folder: Path | None = None) -> tuple[Reported, ...]:
    """The rows of a table. Raises UnknownNameError, and DeclarationError for a file that is none."""
    path = (folder or published_folder()) / f"{name}.csv"
    if folder is None and name not in table_names():
        raise UnknownNameError("published table", name, table_names(), "`repbench list published` shows all.")
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        expected = [field.name for field in fields(Reported)]
        if reader.fieldnames != expected:
            raise DeclarationError(f"{path}: the columns are {reader.fieldnames}; expected {expected}.")
        rows = tuple(Reported(**row) for row in reader)
    known = convention_words(folder)
    for line, row in enumerate(rows, start=2):
        try:
            share = row.value
        except ValueError:
            raise DeclarationError(f"{path}, line {line}: percent is {row.percent!r}; expected a number.") from None
        if not 0 <= share <= 1:
            raise DeclarationError(f"{path}, line {line}: percent is {row.percent}; expected a number from 0 to 100.")
        for convention in row.conventions.split():
            if convention not in known:
                raise UnknownNameError(f"convention in {path}, line {line},", convention, known)
    return rows


def convention_words(folder: Path | None = None) -> Mapping[str, str]:
    """What each convention means."""
    text = ((folder or published_folder()) / "conventions.toml").read_text(encoding="utf-8")
    found: dict[str, str] = tomllib.loads(text)
    return found


@cache
def all_tables() -> Mapping[str, tuple[Reported, ...]]:
    """Every table by name."""
    return {name: read_table(name) for name in table_names()}


def with_published(board: Board, tables: Mapping[str, Sequence[Reported]], *, rank: bool = False) -> Board:
    """The board with what the tables report of its tasks, in the metric that the task shows.

    `rank` lets them count, but where a task has a limit: papers report of all examples.
    """
    asked = {record.task: record for record in reversed(board.done)}
    found = tuple(
        _record(one, name, asked[one.task])
        for name, rows in tables.items()
        for one in rows
        if one.task in asked and asked[one.task].primary == one.metric
    )
    counts = [rank and one.task not in board.limits for one in found]
    counted, beside = (tuple(one for one, it in zip(found, counts, strict=True) if it == kind) for kind in (True, False))
    return replace(board, done=board.done + counted, published=beside)


def _record(one: Reported, table: str, asked: Record) -> Record:
    """A figure as a record without examples: of the same question and data as the board's, since that is what is claimed."""
    row = f"{one.system} [reported, {table}]"
    words = [convention_words()[name] for name in one.conventions.split()]
    return Record(
        status=DONE,
        encoder=row,
        encoder_kind=PUBLISHED,
        task=one.task,
        protocol=asked.protocol,
        dataset=asked.dataset,
        inputs=replace(asked.inputs, encoder_fingerprint=digest_text(PUBLISHED, row), seed=0, precision="fp32", limit=None),
        task_version=asked.task_version,
        options={},
        primary=one.metric,
        higher_is_better=asked.higher_is_better,
        judges=asked.judges,
        metrics={one.metric: Metric(value=one.value, low=None, high=None)},
        chance=asked.chance,
        diagnostics={"reported in": f"{one.source}, {one.table}", "may differ by": " ".join(words) or "nothing that is known"},
        source=f"{one.source}, {one.table}",
    )


def published_lines(board: Board) -> list[str]:
    """One line for each reported figure beside a board: task, system, percent and where it stands."""
    found = [(one.task, one.value.value, one) for one in board.published if one.value is not None]
    found.sort(key=lambda row: (row[0], -row[1], row[2].encoder))
    return [f"{task:<28} {value:.4f}  {one.encoder}: {one.source}" for task, value, one in found]
