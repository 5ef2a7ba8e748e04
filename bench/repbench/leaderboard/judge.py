"""What a column of the board may claim: who is best, who is not significantly worse, which ranks are possible, who is tied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from repbench.leaderboard.shares import Shares, aligned, by_cluster, shares_of
from repbench.leaderboard.tables import Board
from repbench.measure import intervals
from repbench.measure.significance import holm, paired_p_values
from repbench.results.record import Record

ALPHA = 0.05
PAIRED_CELLS = 200_000  # pairs x tasks up to which the page carries the error of every paired difference
ReadExamples = Callable[[Record], pd.DataFrame | None]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said of one cell: its interval, and, where examples are kept, how it stands among the others of its column.

    `p`: Holm-corrected, against the best of the column (None for the best). `bold`: best or not significantly worse.
    `rank_low`, `rank_high`: ranks that the data do not exclude. `group`: 1 for those tied with the leader, then 2, ...
    """

    low: float | None
    high: float | None
    tested: bool = False
    p: float | None = None
    bold: bool = False
    rank_low: int | None = None
    rank_high: int | None = None
    group: int | None = None


Verdicts = Mapping[tuple[str, str], Verdict]  # by (encoder, task)


def judge(board: Board, read: ReadExamples) -> dict[tuple[str, str], Verdict]:
    """The verdict on every cell. Rows without examples (published ones) have their interval and take part in no test."""
    columns: dict[str, list[Record]] = {}
    for record in board.done:
        columns.setdefault(record.task, []).append(record)
    return {key: verdict for records in columns.values() for key, verdict in _judge_column(records, read).items()}


def _judge_column(records: list[Record], read: ReadExamples) -> dict[tuple[str, str], Verdict]:
    shares = [shares_of(record, read(record)) for record in records]
    verdicts = [untested(record, share) for record, share in zip(records, shares, strict=True)]
    rows, clusters, kept = aligned(shares)
    for place, verdict in zip(kept, standings_of(records, rows, clusters), strict=False):
        verdicts[place] = replace(verdict, low=verdicts[place].low, high=verdicts[place].high)
    return {(record.encoder, record.task): verdict for record, verdict in zip(records, verdicts, strict=True)}


def standings_of(records: list[Record], rows: np.ndarray, clusters: np.ndarray | None) -> list[Verdict]:
    """How the encoders of a column stand by their shares (encoders, examples); none where the task only describes."""
    if not len(rows) or not records[0].judges:
        return []
    rows = by_cluster(rows, clusters)
    return standings(rows if records[0].higher_is_better else -rows, records[0].inputs.seed)


def paired_errors(board: Board, read: ReadExamples) -> dict[str, dict[tuple[str, str], float]]:
    """Task -> two encoders -> standard error of the difference of their metrics, on the same examples or clusters.

    Nothing where there are too many pairs for a page.
    """
    if has_too_many_pairs(board):
        return {}
    errors: dict[str, dict[tuple[str, str], float]] = {}
    for task in board.tasks:
        records = [record for record in board.done if record.task == task and record.judges]
        rows, clusters, kept = aligned([shares_of(record, read(record)) for record in records])
        errors[task] = errors_of([records[place].encoder for place in kept], rows, clusters)
    return errors


def has_too_many_pairs(board: Board) -> bool:
    """Whether a page would grow too large by the error of every paired difference."""
    return len({record.encoder for record in board.done}) ** 2 * len(board.tasks) > 2 * PAIRED_CELLS


def errors_of(names: list[str], rows: np.ndarray, clusters: np.ndarray | None) -> dict[tuple[str, str], float]:
    """The standard error of every paired difference of a column, from shares (encoders, examples)."""
    if not names:
        return {}
    error = difference_errors(by_cluster(rows, clusters))
    return {(names[i], names[j]): float(error[i, j]) for i in range(len(names)) for j in range(i + 1, len(names))}


def difference_errors(rows: np.ndarray) -> np.ndarray:
    """Standard errors (encoders, encoders) of the differences of row totals, from one Gram matrix."""
    n = rows.shape[1]
    centred = rows - rows.mean(axis=1, keepdims=True)
    gram = centred @ centred.T
    spread = np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram
    error: np.ndarray = np.sqrt(np.maximum(spread, 0.0) * n / max(n - 1, 1))
    return error


def untested(record: Record, shares: Shares | None) -> Verdict:
    """The interval of a cell alone: of its examples' clusters where they have some, else the record's own."""
    assert record.value is not None
    low, high = record.value.low, record.value.high
    if shares is not None and shares.clusters is not None:
        low, high = intervals.bootstrap_mean(shares.added * len(shares.added), record.inputs.seed, groups=shares.clusters)
    return Verdict(low=low, high=high)


def standings(rows: np.ndarray, seed: int) -> list[Verdict]:
    """How each encoder stands, from shares (encoders, clusters) of which more is better: p, bold, rank interval, tie group."""
    totals = rows.sum(axis=1)
    best = int(np.argmax(np.round(totals, 12)))
    others = [place for place in range(len(rows)) if place != best]
    p = np.ones(len(rows))
    p[others] = holm(paired_p_values(rows[best], rows[others], seed))
    better = significantly_better(rows)
    low, high = 1 + better.sum(axis=0), len(rows) - better.sum(axis=1)
    groups = tie_groups(totals, better)
    return [
        Verdict(
            low=None,
            high=None,
            tested=True,
            p=None if place == best else float(p[place]),
            bold=bool(place == best or p[place] > ALPHA),
            rank_low=int(low[place]),
            rank_high=int(high[place]),
            group=int(groups[place]),
        )
        for place in range(len(rows))
    ]


def significantly_better(rows: np.ndarray) -> np.ndarray:
    """Boolean (encoders, encoders): i is better than j, by the paired normal test of all pairs at once from one Gram matrix.

    Level ALPHA for the ranks of one encoder together: Bonferroni over its others, as rank intervals ask (Mohamad et al. 2019).
    """
    count = len(rows)
    if count < 2:
        return np.zeros((count, count), dtype=bool)
    totals = rows.sum(axis=1)
    error = difference_errors(rows)
    bound = float(norm.isf(ALPHA / 2 / (count - 1)))
    difference = totals[:, None] - totals[None, :]
    better: np.ndarray = difference > np.maximum(bound * error, 1e-9)
    return better


def tie_groups(totals: np.ndarray, better: np.ndarray) -> np.ndarray:
    """Groups 1, 2, ... (encoders,) from best to worst: a group ends where its leader is significantly better."""
    groups = np.zeros(len(totals), dtype=int)
    order = np.argsort(-np.round(totals, 12), kind="stable")
    leader, group = order[0], 1
    for place in order:
        if better[leader, place]:
            leader, group = place, group + 1
        groups[place] = group
    return groups
