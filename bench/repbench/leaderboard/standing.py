"""How one encoder stands among the others on some tasks, in words: really ahead, level, behind, or not tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repbench.leaderboard.aggregates import oriented
from repbench.leaderboard.judge import Verdicts
from repbench.leaderboard.tables import Board, lower_is_better, task_title, value_table

REAL, PARTLY, OPEN = "real", "partly", "open"  # how sure it is that an encoder is ahead: on all tasks, on some, on none


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The tasks of a board that judge, as arrays (rows, tasks): `x` of which more is better, NaN where there is none.

    `bold`: best of its column, or not significantly worse; `tested`: whether that was tested. `competes` (rows,): neither a
    control nor a published figure; `measured` (rows,): not published.
    """

    names: list[str]
    tasks: list[str]
    titles: list[str]  # of the tasks, with the limits that they have
    x: np.ndarray
    bold: np.ndarray
    tested: np.ndarray
    competes: np.ndarray
    measured: np.ndarray

    @property
    def here(self) -> np.ndarray:
        """Who has what: boolean (rows, tasks)."""
        found: np.ndarray = np.isfinite(self.x)
        return found


def grid_of(board: Board, verdicts: Verdicts) -> Grid:
    """The arrays of a board."""
    values = value_table(board)[board.judging]
    kinds = {record.encoder: record.encoder_kind for record in board.done}
    names, tasks = list(map(str, values.index)), list(map(str, values.columns))
    cells = [[verdicts.get((name, task)) for task in tasks] for name in names]
    shape = (len(names), len(tasks))
    return Grid(
        names=names,
        tasks=tasks,
        titles=[task_title(board, task) for task in tasks],
        x=oriented(values, lower_is_better(board)),
        bold=np.array([[one is not None and one.bold for one in row] for row in cells], dtype=bool).reshape(shape),
        tested=np.array([[one is not None and one.tested for one in row] for row in cells], dtype=bool).reshape(shape),
        competes=np.array([kinds[name] not in ("control", "published") for name in names], dtype=bool),
        measured=np.array([kinds[name] != "published" for name in names], dtype=bool),
    )


def best_at(grid: Grid, places: Sequence[int]) -> int | None:
    """The encoder that is bold most often on these tasks, among equals the one that wins most of them (if any did one)."""
    rows = [row for row in np.flatnonzero(grid.competes) if grid.here[row, places].any()]
    if not rows:
        return None
    count = grid.bold[rows][:, places].sum(axis=1)
    rows = [row for row, own in zip(rows, count, strict=True) if own == count.max()]
    wins = np.zeros(len(rows), dtype=int)
    for place in places:
        column = grid.x[rows, place]
        if np.isfinite(column).any():
            wins[np.nanargmax(column)] += 1
    return int(rows[int(np.argmax(wins))])


def standing(grid: Grid, row: int, places: Sequence[int]) -> tuple[str, str]:
    """How sure it is that a row is ahead on these tasks, and how it stands, in words."""
    others = np.arange(len(grid.names)) != row
    done = [place for place in places if grid.here[row, place]]
    lacking = len(places) - len(done)
    rest = [f"{lacking} it cannot do or has not done"] if lacking else []
    met = {place: bool((others & grid.measured & grid.here[:, place]).any()) for place in done}
    tested = [place for place in done if grid.tested[row, place] and met[place]]
    if not any(met.values()):
        return OPEN, "; ".join([f"no other encoder was asked on {_of(done, done)}", *rest])
    if not tested:
        first = [place for place in done if not (grid.x[:, place] > grid.x[row, place]).any()]
        return OPEN, "; ".join([f"highest on {_of(first, done)}, but the differences are not tested", *rest])
    alone = [place for place in tested if grid.bold[row, place] and not (grid.bold[:, place] & others).any()]
    level = [place for place in tested if grid.bold[row, place] and place not in alone]
    behind = [place for place in tested if not grid.bold[row, place]]
    untested = [place for place in done if place not in tested]
    parts = [f"really ahead of all others on {_of(alone, done)}"] if alone else []
    parts += [f"not told apart from {_rivals(grid, others, level)} on {_of(level, done)}"] if level else []
    parts += [f"behind {_rivals(grid, others, behind)} on {_of(behind, done)}"] if behind else []
    parts += [f"not tested on {_of(untested, done)}"] if untested else []
    sure = REAL if len(alone) == len(done) else PARTLY if alone else OPEN
    return sure, "; ".join([*parts, *rest])


def _rivals(grid: Grid, others: np.ndarray, places: Sequence[int]) -> str:
    """Who else is bold most often on these tasks, and how many more are: encoders and controls."""
    count = grid.bold[:, places].sum(axis=1) * others
    more = int((count > 0).sum()) - 1
    nearest = np.lexsort((np.nan_to_num(grid.x[:, places]).sum(axis=1), count))[-1]
    return grid.names[int(nearest)] + (f" and {more} more" if more > 0 else "")


def _of(some: Sequence[int], all_: Sequence[int]) -> str:
    if len(some) < len(all_):
        return f"{len(some)} of {len(all_)} tasks"
    return {1: "the one task", 2: "both tasks"}.get(len(all_), f"all {len(all_)} tasks")
