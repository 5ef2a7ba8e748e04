"""Groups from records alone: the stored predictions of any task, grouped by any column of its examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from repbench.errors import UnknownNameError, UsageError
from repbench.leaderboard.judge import ReadExamples
from repbench.leaderboard.tables import Board
from repbench.measure import groups
from repbench.measure.group_intervals import GroupIntervals, bootstrap
from repbench.measure.intervals import Interval
from repbench.results.record import Record

# Columns that make no groups of people or things.
OWN = ("id", "truth", "prediction", "score", "score at k1", "tied", "cluster")


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """One cell of the board by groups: the mean, the worst ranked group, the gap, equalised odds, and intervals."""

    encoder: str
    task: str
    mean: float
    worst: groups.Group | None
    gap: float
    odds: float
    intervals: GroupIntervals
    found: tuple[groups.Group, ...]


def grouped(board: Board, read: ReadExamples, by: str) -> list[Grouped]:
    """All cells whose examples have a score and the column `by`. Raises UnknownNameError where none has it."""
    known: set[str] = set()
    rows = []
    for record in board.done:
        examples = read(record)
        if examples is None or not {"truth", "prediction", "score"} <= set(examples):
            continue
        known |= {str(column) for column in examples if column not in OWN}
        if by in examples:
            rows.append(_cell(record, {str(name): examples[name].to_numpy() for name in examples}, by))
    if not rows:
        if not known:
            raise UsageError("no record here has examples with columns to group by; datasets declare them as `factors`.")
        raise UnknownNameError("column", by, known, "(of the examples of these records)")
    return rows


def _cell(record: Record, columns: dict[str, np.ndarray], by: str) -> Grouped:
    credit = columns["credit" if "credit" in columns else "score"].astype(float)  # a Brier score is no accuracy
    found = groups.groups_of(columns[by], credit)
    prediction, truth = columns["prediction"], columns["truth"]
    return Grouped(
        encoder=record.encoder,
        task=record.task,
        mean=math.fsum(credit) / len(credit),
        worst=groups.worst(found),
        gap=groups.gap(found),
        odds=groups.equalised_odds_difference(columns[by], prediction, truth),
        intervals=bootstrap(columns[by], credit, prediction, truth, record.inputs.seed, columns.get("cluster")),
        found=tuple(found),
    )


def grouped_lines(rows: list[Grouped], by: str) -> Iterator[str]:
    """One line a cell, and those of its groups that are too small to rank."""
    from tabulate import tabulate

    table = [
        [one.encoder, one.task, one.mean, *_worst(one), *_spreads(one), _small(one)]
        for one in sorted(rows, key=lambda one: (one.task, one.encoder))
    ]
    headers = ["encoder", "task", "mean", f"worst {by}", "its accuracy", "n", "gap", "equalised odds", "too small to rank"]
    yield str(tabulate(table, headers=headers, floatfmt=".3f", missingval="–"))


def _worst(one: Grouped) -> tuple[str | None, str | None, int | None]:
    if one.worst is None:
        return None, None, None
    return one.worst.value, _with(one.worst.accuracy, one.intervals.worst), one.worst.n


def _spreads(one: Grouped) -> tuple[str | None, str | None]:
    return _with(one.gap, one.intervals.gap), _with(one.odds, one.intervals.odds)


def _with(value: float, interval: Interval) -> str | None:
    if math.isnan(value):
        return None
    return f"{value:.3f} [{min(interval[0], value):.3f}, {max(interval[1], value):.3f}]"


def _small(one: Grouped) -> str:
    small = [f"{group.value} ({group.n})" for group in one.found if not group.ranked]
    return ", ".join(small[:5]) + (", …" if len(small) > 5 else "")
