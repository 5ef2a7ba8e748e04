"""Which tasks tell the same: their rank correlations, and a small set of tasks that keeps the ranking of encoders."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from repbench.leaderboard.aggregates import mean_rank

KEPT = 0.95  # Spearman's correlation with the ranking by all tasks that counts as keeping it


def correlations(x: np.ndarray, tasks: list[str]) -> pd.DataFrame:
    """Spearman's correlation between tasks (tasks, tasks), over the encoders that have both; NaN for fewer than three."""
    return pd.DataFrame(x, columns=tasks).corr(method="spearman", min_periods=3)


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
