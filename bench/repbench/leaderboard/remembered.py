"""The verdicts of a large board from what it remembers: columns whose files are as they were are not judged again, and of a
column that changed only the new examples are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repbench.leaderboard.curves import CELLS, Curves, add_curves, curves_of, has_few_outcomes
from repbench.leaderboard.gather import Examples
from repbench.leaderboard.judge import (
    Verdict,
    Verdicts,
    errors_of,
    has_too_many_pairs,
    judge,
    paired_errors,
    standings_of,
    untested,
)
from repbench.leaderboard.memory import Memory
from repbench.leaderboard.shares import Shares, aligned, shares_of
from repbench.leaderboard.tables import Board
from repbench.results.record import Record

NUMBERS = ("low", "high", "p")  # of a verdict; NaN is None
PLACES = ("rank_low", "rank_high", "group")  # 0 is None
FLAGS = ("tested", "bold")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of a column: intervals (m, 2), and shares `added` (k, n) of the examples `ids`, of cell i in row `place[i]`
    (-1: it takes no part). `whole` is False where an encoder has other examples: then nothing but the verdicts is kept.
    """

    interval: np.ndarray
    place: np.ndarray
    ids: np.ndarray
    clusters: np.ndarray | None
    added: np.ndarray
    whole: bool = True


def judge_board(board: Board, examples: Examples) -> Verdicts:
    """The verdict on every cell, as `judge` gives it."""
    if examples.memory is None:
        return judge(board, examples)
    found: dict[tuple[str, str], Verdict] = {}
    for task, records in _columns(board).items():
        found |= _column(examples.memory, task, records, examples)
    return found


def errors_board(board: Board, examples: Examples) -> Mapping[str, Mapping[tuple[str, str], float]]:
    """The errors of all pairs, as `paired_errors` gives them."""
    if examples.memory is None or has_too_many_pairs(board):
        return paired_errors(board, examples)
    errors: dict[str, dict[tuple[str, str], float]] = {}
    for task, records in _columns(board).items():
        judging = [record for record in records if record.judges]
        cells = _cells(examples.memory.column(task), _names(judging, examples), judging, examples)
        kept = np.flatnonzero(cells.place >= 0)
        errors[task] = errors_of([judging[one].encoder for one in kept], cells.added[cells.place[kept]], cells.clusters)
    return errors


def curves_board(board: Board, examples: Examples) -> Curves:
    """What the page draws from examples, as `curves_of` gives it."""
    if examples.memory is None or len(board.done) > CELLS:
        return curves_of(board, examples)
    found: Curves = {"tasks": {}, "cells": {}}
    outcomes = has_few_outcomes(board)
    for task, records in _columns(board).items():
        key = f"{outcomes} {_key(_names(records, examples))}"
        own: Curves | None = examples.memory.text(f"curves {task}", key)
        if own is None:
            own = {"tasks": {}, "cells": {}}
            for record in records:
                add_curves(own, record, examples(record), outcomes=outcomes)
            examples.memory.keep_text(f"curves {task}", key, own)
        found["tasks"] |= own["tasks"]
        for encoder, cells in own["cells"].items():
            found["cells"].setdefault(encoder, {}).update(cells)
    return found


def _columns(board: Board) -> dict[str, list[Record]]:
    columns: dict[str, list[Record]] = {}
    for record in board.done:
        columns.setdefault(record.task, []).append(record)
    return columns


def _names(records: Sequence[Record], examples: Examples) -> list[str]:
    return [f"{record.encoder} {examples.identity(record)}" for record in records]


def _key(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _column(memory: Memory, task: str, records: list[Record], examples: Examples) -> dict[tuple[str, str], Verdict]:
    names = _names(records, examples)
    key, stored = _key(names), memory.column(task)
    try:
        if str(stored.get("key")) == key:
            return dict(zip(((one.encoder, task) for one in records), _verdicts(stored), strict=True))
    except (KeyError, ValueError):
        stored = {}
    cells = _cells(stored, names, records, examples)
    verdicts = _judged(records, cells)
    memory.keep_column(task, {"key": np.array(key), **_arrays(verdicts), **(_kept(names, cells) if cells.whole else {})})
    return {(record.encoder, task): verdict for record, verdict in zip(records, verdicts, strict=True)}


def _cells(stored: Mapping[str, np.ndarray], names: list[str], records: list[Record], examples: Examples) -> Cells:
    try:
        found = _cells_from(stored, names, records, examples)
    except (KeyError, IndexError, ValueError):
        found = None
    return found or _read(records, examples)


def _judged(records: list[Record], cells: Cells) -> list[Verdict]:
    nothing = np.isnan(cells.interval)
    verdicts = [
        Verdict(low=None if no[0] else float(low), high=None if no[1] else float(high))
        for (low, high), no in zip(cells.interval, nothing, strict=True)
    ]
    kept = np.flatnonzero(cells.place >= 0)
    for place, verdict in zip(kept, standings_of(records, cells.added[cells.place[kept]], cells.clusters), strict=False):
        verdicts[place] = replace(verdict, low=verdicts[place].low, high=verdicts[place].high)
    return verdicts


def _read(records: list[Record], examples: Examples) -> Cells:
    """All cells of a column from their files."""
    shares = [shares_of(record, examples(record)) for record in records]
    added, clusters, kept = aligned(shares)
    place = np.full(len(records), -1)
    place[kept] = np.arange(len(kept))
    first = shares[kept[0]] if kept else None
    return Cells(
        interval=_intervals(records, shares),
        place=place,
        ids=np.sort(first.ids) if first is not None else np.empty(0, dtype="<U1"),
        clusters=clusters,
        added=added,
        whole=len(kept) == sum(one is not None for one in shares),
    )


def _cells_from(stored: Mapping[str, np.ndarray], names: list[str], records: list[Record], examples: Examples) -> Cells | None:
    """The cells of a column of which some are remembered; None where that cannot be, since a new one has other examples."""
    if "names" not in stored or not len(stored["ids"]):
        return None
    known = {str(name): place for place, name in enumerate(stored["names"])}
    new = [place for place, name in enumerate(names) if name not in known]
    shares = [shares_of(records[place], examples(records[place])) for place in new]
    clusters = stored["clusters"] if len(stored["clusters"]) else None
    guide = Shares(ids=stored["ids"], added=np.zeros(len(stored["ids"])), clusters=clusters)
    rows, _, kept = aligned([guide, *shares])
    if len(kept) - 1 != sum(one is not None for one in shares):
        return None
    old = stored["values"][stored["codes"]]
    place, interval = np.full(len(names), -1), np.full((len(names), 2), np.nan)
    for at, name in enumerate(names):
        if name in known:
            place[at], interval[at] = stored["place"][known[name]], stored["interval"][known[name]]
    place[[new[one - 1] for one in kept[1:]]] = len(old) + np.arange(len(kept) - 1)
    interval[new] = _intervals([records[one] for one in new], shares)
    used = place[place >= 0]
    place[place >= 0] = np.arange(len(used))  # what left the board is forgotten
    added = np.concatenate([old, rows[1:]])[used]
    return Cells(interval=interval, place=place, ids=stored["ids"], clusters=clusters, added=added)


def _intervals(records: Sequence[Record], shares: Sequence[Shares | None]) -> np.ndarray:
    found = [untested(record, one) for record, one in zip(records, shares, strict=True)]
    return np.array([[one.low, one.high] for one in found], dtype=float).reshape(-1, 2)


def _kept(names: list[str], cells: Cells) -> dict[str, np.ndarray]:
    values, codes = np.unique(cells.added, return_inverse=True)
    small = np.uint8 if len(values) <= 256 else np.uint16 if len(values) <= 65536 else np.uint32
    return {
        "names": np.array(names),
        "interval": cells.interval,
        "place": cells.place,
        "ids": cells.ids,
        "clusters": cells.clusters if cells.clusters is not None else np.empty(0, dtype="<U1"),
        "values": values,
        "codes": codes.reshape(cells.added.shape).astype(small),
    }


def _arrays(verdicts: Sequence[Verdict]) -> dict[str, np.ndarray]:
    numbers = {name: np.array([getattr(one, name) for one in verdicts], dtype=float) for name in NUMBERS}
    places = {name: np.array([getattr(one, name) or 0 for one in verdicts], dtype=int) for name in PLACES}
    flags = {name: np.array([getattr(one, name) for one in verdicts], dtype=bool) for name in FLAGS}
    return {f"verdict {name}": array for name, array in {**numbers, **places, **flags}.items()}


def _verdicts(stored: Mapping[str, np.ndarray]) -> list[Verdict]:
    columns = {name: stored[f"verdict {name}"].tolist() for name in (*NUMBERS, *PLACES, *FLAGS)}
    for name in NUMBERS:
        columns[name] = [None if value != value else value for value in columns[name]]
    for name in PLACES:
        columns[name] = [value or None for value in columns[name]]
    return [Verdict(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
