"""Intervals of what is said of groups: the least accuracy, the gap and the equalised-odds difference, by one bootstrap.

Examples are drawn within groups; with clusters, whole clusters are drawn, each with what it has in every group, and a draw
leaves out the groups and rates of which it has nothing. A least is biased downward and a spread upward, so the value may lie
at an end of its interval; none of them tests one group against another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repbench.measure.groups import LEAST
from repbench.measure.intervals import Interval, percentiles

DRAWS = 1000
UNKNOWN: Interval = (math.nan, math.nan)


@dataclass(frozen=True, kw_only=True)
class GroupIntervals:
    """95 % intervals over the ranked groups of a column; NaN where there is nothing to compare."""

    worst: Interval
    gap: Interval
    odds: Interval


def bootstrap(
    column: np.ndarray,
    credit: np.ndarray,
    prediction: np.ndarray,
    truth: np.ndarray,
    seed: int,
    clusters: np.ndarray | None = None,
) -> GroupIntervals:
    """The intervals for credits, predictions, classes and clusters (n,) of examples whose groups are the values of `column`.

    Rows of one group, class, prediction and credit are alike: what is drawn are their counts, so the order of rows does not
    matter. Percentile bootstrap (Efron 1979).
    """
    column = column.astype(str)
    _, group, sizes = np.unique(column, return_inverse=True, return_counts=True)
    ranked = sizes[group] >= LEAST
    if not ranked.any():
        return GroupIntervals(worst=UNKNOWN, gap=UNKNOWN, odds=UNKNOWN)
    _, group = np.unique(column[ranked], return_inverse=True)
    names, label = np.unique(np.concatenate([truth[ranked], prediction[ranked]]).astype(str), return_inverse=True)
    real, said = np.split(label, 2)
    earned, worth = np.unique(credit[ranked], return_inverse=True)
    cells, of = np.unique(np.stack([group, real, said, worth], axis=1), axis=0, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = _drawn(cells[:, 0], of.ravel(), None if clusters is None else clusters[ranked], rng)
    accuracy = _accuracy(drawn, cells[:, 0], earned[cells[:, 3]])
    least, spread = _least(accuracy), _spread(accuracy[:, :, None])
    odds = _spread(np.concatenate(_rates(drawn, cells, len(names)), axis=2))
    return GroupIntervals(worst=_interval(least), gap=_interval(spread), odds=_interval(odds))


def _drawn(group: np.ndarray, of: np.ndarray, clusters: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """How often each cell is drawn, float64 (DRAWS, cells); `group` (cells,), `of` (n,): the cell of each row."""
    if clusters is None:
        counts = np.bincount(of)
        drawn = np.empty((DRAWS, len(group)))
        for one in np.unique(group):
            own = group == one
            drawn[:, own] = rng.multinomial(counts[own].sum(), counts[own] / counts[own].sum(), size=DRAWS)
        return drawn
    from scipy.sparse import csr_matrix  # here and below: a list of tasks need not wait for it

    names, cluster = np.unique(clusters.astype(str), return_inverse=True)
    held = csr_matrix((np.ones(len(of)), (cluster, of)), shape=(len(names), len(group)))
    chosen = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    together: np.ndarray = chosen @ held
    return together


def _sums(drawn: np.ndarray, place: np.ndarray, weight: np.ndarray, places: int) -> np.ndarray:
    """Drawn counts times the weights of cells, added up by place, float64 (DRAWS, places)."""
    from scipy.sparse import csr_matrix

    added: np.ndarray = drawn @ csr_matrix((weight, (np.arange(len(place)), place)), shape=(len(place), places))
    return added


def _accuracy(drawn: np.ndarray, group: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """Accuracy by draw and group, NaN where a draw has nothing of the group."""
    groups = int(group.max()) + 1
    return _ratio(_sums(drawn, group, credit, groups), _sums(drawn, group, np.ones(len(group)), groups))


def _rates(drawn: np.ndarray, cells: np.ndarray, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """True and false positive rates by draw, group and class, one class against the rest."""
    group, real, said = cells[:, 0], cells[:, 1], cells[:, 2]
    groups = int(group.max()) + 1
    every, hits = np.ones(len(cells)), (real == said).astype(np.float64)
    shape = (len(drawn), groups, labels)
    true = _sums(drawn, group * labels + real, every, groups * labels).reshape(shape)
    claimed = _sums(drawn, group * labels + said, every, groups * labels).reshape(shape)
    right = _sums(drawn, group * labels + real, hits, groups * labels).reshape(shape)
    others = true.sum(axis=2, keepdims=True) - true
    return _ratio(right, true), _ratio(claimed - right, others)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.full_like(part, math.nan), where=whole > 0)
    return ratio


def _least(rates: np.ndarray) -> np.ndarray:
    least: np.ndarray = np.where(np.isnan(rates), math.inf, rates).min(axis=1)
    return least


def _spread(rates: np.ndarray) -> np.ndarray:
    """The largest difference between groups of any of the rates (DRAWS, groups, rates); NaN where none has two groups."""
    absent = np.isnan(rates)
    high = np.where(absent, -math.inf, rates).max(axis=1)
    low = np.where(absent, math.inf, rates).min(axis=1)
    compared = (~absent).sum(axis=1) > 1
    spread: np.ndarray = np.where(compared, high - low, -math.inf).max(axis=1)
    spread[~compared.any(axis=1)] = math.nan
    return spread


def _interval(values: np.ndarray) -> Interval:
    known = values[np.isfinite(values)]
    return percentiles(known) if len(known) else UNKNOWN
