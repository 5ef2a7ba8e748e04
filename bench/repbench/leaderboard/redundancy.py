"""Which tasks tell the same: their rank correlations, and a small set of tasks that keeps the ranking of encoders."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from repbench.leaderboard.aggregates import mean_rank, oriented
from repbench.leaderboard.tables import Board, common_tasks, has_gaps, lower_is_better, value_table

LEAST = 5  # encoders below which no correlation is told
PAIRS = 10  # of tasks that are listed
KEPT = 0.95  # Spearman's correlation with the ranking by all tasks that counts as keeping it


def correlations(x: np.ndarray, tasks: list[str], least: int = 3) -> pd.DataFrame:
    """Spearman's correlation between tasks (tasks, tasks), over the encoders that have both; NaN for fewer than `least`."""
    return pd.DataFrame(x, columns=tasks).corr(method="spearman", min_periods=least)


def tasks_alike(board: Board) -> pd.DataFrame:
    """Spearman's correlation between the tasks that judge, more being better in each; NaN for fewer than five encoders."""
    return correlations(oriented(value_table(board)[board.judging], lower_is_better(board)), board.judging, LEAST)


def few_tasks_line(board: Board) -> str:
    """Which few tasks rank the encoders as all do, or as all common ones; empty where too few encoders have these."""
    tasks = common_tasks(board) if has_gaps(board) else board.judging
    found = keeping_subset(oriented(value_table(board)[tasks], lower_is_better(board)), tasks) if tasks else []
    if not found or len(found) == len(tasks):
        return ""
    return (
        f"{', '.join(task for task, _ in found)}: the ranking by {'this' if len(found) == 1 else 'these'} correlates"
        f" {found[-1][1]:.2f} (Spearman) with the ranking by all {len(tasks)}{' common' if has_gaps(board) else ''} tasks, over"
        " the encoders that have every one. Chosen on this board, so too good for another."
    )


def redundancy_section(board: Board) -> list[str]:
    """The part of the Markdown board on tasks that tell the same: few that keep the ranking, and the pairs most alike."""
    rho = tasks_alike(board).to_numpy()
    here = value_table(board)[board.judging].notna().to_numpy().astype(int)
    both = here.T @ here
    first, second = np.triu_indices(len(rho), 1)
    told = np.isfinite(rho[first, second])
    order = sorted(np.flatnonzero(told), key=lambda k: (-abs(rho[first[k], second[k]].round(6)), -both[first[k], second[k]], k))
    line = few_tasks_line(board)
    if not line and not order:
        return []
    parts = ["## Few tasks that tell the same", *([line] if line else [])]
    if order:
        rows = [(first[k], second[k]) for k in order[:PAIRS]]
        listed = [f"| {board.judging[a]} | {board.judging[b]} | {rho[a, b]:.2f} | {both[a, b]} |" for a, b in rows]
        head = ["| task | ranks the encoders as | Spearman | encoders |", "|---|---|---:|---:|"]
        parts += [
            "\n".join([*head, *listed]),
            f"The {len(rows)} of {int(told.sum())} pairs that are most alike; the page shows all.",
        ]
    return parts


def keeping_subset(x: np.ndarray, tasks: list[str], kept: float = KEPT) -> list[tuple[str, float]]:
    """Tasks chosen one by one, each with the correlation that the chosen so far have with the ranking by all tasks.

    Greedy: the least set is as hard to find as a set cover. Only encoders that have every task take part; none is given
    where they are fewer than three or all equal.
    """
    whole = x[np.isfinite(x).all(axis=1)]
    if len(whole) < 3:
        return []
    ranks = rankdata(-whole, axis=0)
    target = _standard(rankdata(mean_rank(whole))[:, None])
    if not target.any():
        return []
    chosen: list[int] = []
    told: list[tuple[str, float]] = []
    while len(chosen) < len(tasks):
        left = [place for place in range(len(tasks)) if place not in chosen]
        sums = ranks[:, left] + ranks[:, chosen].sum(axis=1, keepdims=True)
        agreement = (_standard(rankdata(sums.round(9), axis=0)) * target).sum(axis=0).round(12)
        chosen.append(left[int(np.argmax(agreement))])
        told.append((tasks[chosen[-1]], float(agreement.max())))
        if told[-1][1] >= kept:
            break
    return told


def _standard(columns: np.ndarray) -> np.ndarray:
    centred = columns - columns.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    standard: np.ndarray = np.where(norm > 0, centred / np.where(norm > 0, norm, 1.0), 0.0)
    return standard
