"""What a board says first: who leads over all, where that can be said, and who is best at what and whether that is real.

A leader over all is named only among encoders that were asked the same: at least half of them have all common tasks, and these
are at least half of what each of those was asked. Where they share less, each group that was asked the same has a leader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repbench.leaderboard.aggregates import mean_rank, rank_intervals
from repbench.leaderboard.judge import Verdicts
from repbench.leaderboard.limits import titled
from repbench.leaderboard.questions import FIRST, QUESTIONS
from repbench.leaderboard.standing import OPEN, PARTLY, REAL, Grid, best_at, grid_of, standing
from repbench.leaderboard.tables import Board, common_tasks

GROUPS = 6  # that are told of where nobody leads over all
FEW = 3  # tasks that are named; of more only the number
SAMPLE = 5  # tasks from which on a draw of others of their kind says something
MARKS = {REAL: "really", PARTLY: "on some tasks", OPEN: "not shown"}
REALLY = (
    "Really ahead: the paired test on the same examples, corrected for how many encoders there are, rules out chance"
    " (p ≤ 0.05). Controls are no competitors but yardsticks: who does not beat them shows little."
)

Line = tuple[str, ...]  # text and names in turns, so that a page can set names apart; it begins with text


@dataclass(frozen=True, kw_only=True)
class Card:
    """Who is best at one question, on tasks that were asked of the same encoders. `sure`: see `standing`."""

    protocol: str
    tasks: tuple[str, ...]
    question: str
    best: str
    sure: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Opening:
    """`lead`: who leads over all, or that nobody does; `groups`: then the leader of each group; `cards`: one a question."""

    lead: Line
    groups: tuple[Line, ...]
    cards: tuple[Card, ...]


def opening_of(board: Board, verdicts: Verdicts) -> Opening:
    """What a board says first."""
    grid = grid_of(board, verdicts)
    lead, groups = _lead(grid, common_tasks(board))
    return Opening(lead=lead, groups=groups, cards=tuple(_cards(grid)))


def plain(line: Line) -> str:
    """A line as text."""
    return "".join(line)


def opening_lines(opening: Opening) -> list[str]:
    """Who leads, as lines of text."""
    return [plain(line) for line in (opening.lead, *opening.groups) if line]


def _lead(grid: Grid, shared: Sequence[str]) -> tuple[Line, tuple[Line, ...]]:
    here = grid.here
    asked = grid.competes & here.any(axis=1)
    total = int(asked.sum())
    if total < 2:
        return (), ()
    places = [place for place, task in enumerate(grid.tasks) if task in shared]
    have = _all_of(grid, asked, places)
    most = int(here[have].sum(axis=1).max(initial=0))
    if have.sum() > 1 and 2 * have.sum() >= total and 2 * len(places) >= most:
        return _leader(grid, have, places, None if len(places) == 1 else total), ()
    groups = sorted(_groups(grid, asked), key=lambda group: -int(group[0].sum()) * len(group[1]))
    lines = tuple(_leader(grid, rows, found, None) for rows, found in groups[:GROUPS])
    rest = ". Of those that were:" if lines else ", and no two of them were."
    return (f"No encoder leads over all: the {total} encoders were not asked the same tasks{rest}",), lines


def _all_of(grid: Grid, rows: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Which of these rows have all these tasks; none where there are no tasks."""
    found: np.ndarray = rows & grid.here[:, places].all(axis=1) if places else np.zeros(len(rows), dtype=bool)
    return found


def _groups(grid: Grid, asked: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
    """The tasks that encoders share, (rows, tasks), two rows or more: those of the fullest encoder and of all that have at
    least half of its tasks, and so on with the encoders that are left."""
    here, left = grid.here, asked.copy()
    found: dict[tuple[int, ...], np.ndarray] = {}
    while left.any():
        fullest = here[int(np.argmax(here.sum(axis=1) * left))]
        near = left & (2 * (here & fullest).sum(axis=1) >= fullest.sum())
        places = np.flatnonzero(here[near].all(axis=0)).tolist()
        found[tuple(places)] = _all_of(grid, asked, places)
        left &= ~near
    return [(rows, list(places)) for places, rows in found.items() if places and rows.sum() > 1]


def _leader(grid: Grid, rows: np.ndarray, places: list[int], total: int | None) -> Line:
    """Who leads among the encoders `rows` on tasks that all of them have: over all where of `total` encoders, else on these."""
    having = np.flatnonzero(_all_of(grid, grid.measured, places))
    rank = dict(zip(having.tolist(), mean_rank(grid.x[having][:, places]).round(6).tolist(), strict=True))
    entrants = sorted(np.flatnonzero(rows).tolist(), key=lambda row: (rank[row], -int(grid.bold[row, places].sum()), row))
    first, level = entrants[0], [row for row in entrants[1:] if rank[row] == rank[entrants[0]]]
    above = [row for row in having.tolist() if not grid.competes[row] and rank[row] < rank[first]]
    count = f"{len(places)} tasks"
    if total is None:
        named = count if len(places) > FEW else " and ".join(grid.titles[place] for place in places)
        start, after = f"On {named}, asked of {len(entrants)} encoders, ", ""
    elif len(entrants) == total:
        start, after = "Over all, ", f" over the {count} that {'both' if total == 2 else f'all {total}'} encoders were asked"
    else:
        start, after = f"Among the {len(entrants)} of {total} encoders that were asked the same {count}, ", ""
    parts = [f"mean rank {rank[first]:.2f}{after}"] if len(places) > 1 else []
    shares = bool(level) and len(places) > 1
    parts += [f"level with {_and_more(grid, level)}"] if shares else []
    parts += [f"the control {_and_more(grid, above)} above it"] if above else []
    sure, words = standing(grid, first, places)
    leads = " shares the lead: " if shares else " leads: " if total or sure == REAL else " is first: "
    parts += [words]
    hangs, *rest = _choice(grid, entrants, places, total)
    return (start, grid.names[first], f"{leads}{'; '.join(parts)}.{hangs}", *rest)


def _choice(grid: Grid, entrants: list[int], places: list[int], total: int | None) -> Line:
    """Whether the lead hangs on the choice of tasks; of few tasks nothing can be said."""
    if total is None or len(places) < SAMPLE:
        return ("",)
    low = rank_intervals(grid.x[entrants][:, places])[:, 0]
    could = [row for row, place in zip(entrants[1:], low[1:].tolist(), strict=True) if place <= 1]
    if not could:
        return (" That does not hang on the choice of tasks: were they others of their kind, it would still be first (95 %).",)
    more = f" and {len(could) - 1} more" if len(could) > 1 else ""
    return " Were the tasks others of their kind, ", grid.names[could[0]], f"{more} could be first as well."


def _and_more(grid: Grid, rows: Sequence[int]) -> str:
    return grid.names[rows[0]] + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")


def _cards(grid: Grid) -> Iterator[Card]:
    """A card for each protocol, or for each part of its tasks that was asked of other encoders."""
    protocols = sorted({task.partition("/")[0] for task in grid.tasks}, key=lambda one: (FIRST.get(one, len(FIRST)), one))
    for protocol in protocols:
        places = [place for place, task in enumerate(grid.tasks) if task.partition("/")[0] == protocol]
        for part in _asked_alike(grid, places):
            row = best_at(grid, part)
            if row is None:
                continue
            sure, words = standing(grid, row, part)
            tasks, question = tuple(grid.tasks[place] for place in part), QUESTIONS.get(protocol, protocol)
            yield Card(protocol=protocol, tasks=tasks, question=question, best=grid.names[row], sure=sure, words=words)


def _asked_alike(grid: Grid, places: list[int]) -> list[list[int]]:
    """Tasks by who was asked them: each goes to the first whose encoders are more than half of those of both together."""
    here = grid.here & grid.competes[:, None]
    parts: list[list[int]] = []
    for place in sorted(places, key=lambda one: (-int(here[:, one].sum()), one)):
        for part in parts:
            both, either = here[:, place] & here[:, part[0]], here[:, place] | here[:, part[0]]
            if 2 * both.sum() > either.sum():
                part.append(place)
                break
        else:
            parts.append([place])
    return [sorted(part) for part in parts if here[:, part].any()]


def opening_section(board: Board, verdicts: Verdicts) -> list[str]:
    """The part of the Markdown board that says who leads and, question by question, who is best; [] where nobody was asked."""
    opening = opening_of(board, verdicts)
    if not opening.cards:
        return []
    parts = [one_line(plain(opening.lead))] if opening.lead else []
    parts += ["\n".join(f"- {one_line(plain(line))}" for line in opening.groups)] if opening.groups else []
    rows = [(one.question, asked(one, board.limits), one.best, MARKS[one.sure], one.words) for one in opening.cards]
    table = ["| question | tasks | best encoder | is it ahead? | how it stands |", "|---|---|---|---|---|"]
    table += [f"| {' | '.join(map(one_line, row))} |" for row in rows]
    return [*parts, "## Who is best at what, and is it real?", "\n".join(table), REALLY]


def asked(card: Card, limits: Mapping[str, int]) -> str:
    """The tasks of a card in short: its protocol, and its datasets where they are few, with the limits that they have."""
    datasets = [titled(task.partition("/")[2], limits.get(task)) for task in card.tasks]
    return f"{card.protocol}: {', '.join(datasets) if len(datasets) <= FEW else f'{len(datasets)} datasets'}"


def one_line(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
