"""One number for many tasks, in several ways side by side, and how much each depends on the choice of tasks.

Nothing missing is filled in. Means over unlike tasks are not comparable, so what orders the board is over common tasks: those
that every encoder has, but for the encoders that have less than half as many tasks as the fullest (one modality of several).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

DRAWS = 1000


def oriented(values: pd.DataFrame, lower: list[str]) -> np.ndarray:
    """Values (encoders, tasks) of which more is better, rounded so that noise of the last digit makes no winner."""
    x = values.to_numpy(dtype=float).round(6)
    x[:, [task in lower for task in values.columns]] *= -1
    return x


def ranks(x: np.ndarray) -> np.ndarray:
    """Ranks within each column (1 is best, ties share their mean); NaN stays NaN."""
    return rankdata(-x, axis=0, nan_policy="omit") if x.size else x.copy()


def borda(x: np.ndarray) -> np.ndarray:
    """Share of the others that an encoder beats (a tie is half), mean over the tasks that it has and shares with others."""
    here = np.isfinite(x)
    others = here.sum(axis=0) - 1
    beaten = here.sum(axis=0) - ranks(x)
    return _mean(np.where(others > 0, beaten / np.maximum(others, 1), np.nan))


def common(here: np.ndarray, deciding: np.ndarray) -> np.ndarray:
    """Boolean (tasks,): the common tasks, of `here` (encoders, tasks), who has what; those `deciding` (encoders,) decide.

    An encoder with less than half as many tasks as the fullest decides nothing: one modality must not empty the set.
    """
    count = here.sum(axis=1)
    fullest = count[deciding].max(initial=0)
    asked = deciding & (count > 0) & (2 * count >= fullest)
    found: np.ndarray = here[asked].all(axis=0) if asked.any() else np.zeros(here.shape[1], dtype=bool)
    return found


def normalised(values: pd.DataFrame, chance: dict[str, float]) -> np.ndarray:
    """Mean (encoders,) of (value - chance) / (1 - chance) over the tasks in `chance`: 0 is guessing, 1 perfect."""
    tasks = [task for task in values.columns if task in chance]
    level = np.array([chance[task] for task in tasks])
    return _mean((values[tasks].to_numpy(dtype=float) - level) / (1 - level))


def mean_rank(x: np.ndarray) -> np.ndarray:
    """Mean rank (encoders,)."""
    return _mean(ranks(x))


def rank_intervals(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """95 % interval (encoders, 2) of the position by mean rank, were the tasks another sample of their kind (bootstrap)."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(x.shape[1], np.full(x.shape[1], 1 / x.shape[1]), size=DRAWS).astype(float)
    places = _positions(x, weights)
    low, high = np.nanpercentile(places, [2.5, 97.5], axis=0, method="nearest")
    return np.stack([low, high], axis=1)


def drop_one(x: np.ndarray) -> np.ndarray:
    """Least and greatest position (encoders, 2) by mean rank when each task in turn is left out."""
    if x.shape[1] < 2:
        whole = _positions(x, np.ones((1, x.shape[1])))[0]
        return np.stack([whole, whole], axis=1)
    places = _positions(x, 1 - np.eye(x.shape[1]))
    return np.stack([np.nanmin(places, axis=0), np.nanmax(places, axis=0)], axis=1)


def _positions(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Positions (draws, encoders) by weighted mean rank; an encoder that has none of a draw's tasks keeps its own."""
    r = ranks(x)
    here = np.isfinite(r).astype(float)
    count = weights @ here.T
    score = (weights @ np.nan_to_num(r).T) / np.maximum(count, 1e-12)
    score = np.where(count > 0, score, mean_rank(x)).round(9)
    places: np.ndarray = rankdata(score, axis=1, method="min")
    return places


def _mean(x: np.ndarray) -> np.ndarray:
    here = np.isfinite(x)
    count = here.sum(axis=1)
    return np.where(count > 0, np.where(here, x, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
