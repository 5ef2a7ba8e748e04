"""95 % intervals: of a proportion, of a mean over examples, of a mean over classes, of the logarithm of a U-statistic.

Every function gives (low, high), depends on the multiset of its values and not on their order, and repeats exactly for
equal seeds. Bootstraps draw the counts of distinct values from a multinomial where those are few: the same distribution as
drawing rows, at a cost that does not grow with the number of examples.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from repbench.errors import ProtocolError

LEVEL = 0.95
DRAWS = 2000
FEW = 64  # distinct values up to which counts are drawn instead of rows
BLOCK = 1 << 22  # indices drawn at once: bounds the memory at 64 MB

Interval = tuple[float, float]


def wilson(share: float, n: float, level: float = LEVEL) -> Interval:
    """Score interval of a proportion `share` observed in `n` independent examples (Wilson 1927). Raises for n <= 0."""
    if n <= 0:
        raise ProtocolError("an interval needs at least one example; got none.")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    return low, 1.0 if share >= 1 else min(1.0, centre + half)


def proportion(credit: np.ndarray, seed: int, level: float = LEVEL, *, groups: np.ndarray | None = None) -> Interval:
    """Interval of the mean of credits (n,) in [0, 1]: Wilson's where each is 0 or 1, else a percentile bootstrap.

    Credits between 0 and 1 come from ties, which score what guessing among the tied would score on average; they vary less
    than hits and misses do, so Wilson's variance would be too large for them. With `groups` (n,), the cluster
    bootstrap. Raises ProtocolError for an empty array.
    """
    credit = _values(credit)
    if groups is not None and credit.min() < credit.max():
        return bootstrap_mean(credit, seed, groups=groups, level=level)
    if np.isin(credit, (0.0, 1.0)).all():
        return wilson(math.fsum(credit) / len(credit), len(credit), level)
    return bootstrap_mean(credit, seed, level=level)


def bootstrap_mean(
    values: np.ndarray, seed: int, *, groups: np.ndarray | None = None, draws: int = DRAWS, level: float = LEVEL
) -> Interval:
    """Percentile bootstrap (Efron 1979) of the mean of `values` (n,).

    With `groups` (n,), whole groups are drawn (cluster bootstrap): for examples that share an image or a speaker. The mean
    is then over the examples of the groups drawn. Raises ProtocolError for an empty or non-finite array.
    """
    values = _values(values)
    rng = np.random.default_rng(seed)
    if groups is None:
        return percentiles(_drawn_means(values, len(values), draws, rng), level)
    _, group_of, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    totals = np.bincount(group_of, weights=values)
    order = np.lexsort((totals, sizes))  # so that the names of the groups do not matter
    totals, sizes = totals[order], sizes[order]
    means = np.empty(draws)
    step = max(1, BLOCK // len(sizes))
    for first in range(0, draws, step):
        drawn = rng.integers(len(sizes), size=(min(step, draws - first), len(sizes)))
        means[first : first + step] = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return percentiles(means, level)


def mean_per_class(
    credit: np.ndarray,
    truth: np.ndarray,
    seed: int,
    *,
    groups: np.ndarray | None = None,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Interval:
    """Stratified bootstrap of the mean over classes of the mean credit: examples (n,) are drawn within each class.

    A class of m examples draws m - 1 (Rao & Wu 1988), which makes the variance unbiased where classes are small; a class of
    one example adds no variance. Where every credit is 0, or every one 1, nothing varies: then Wilson's interval at the
    number of examples that a plain proportion would need for the same variance, C^2 / sum of 1 / m. Raises ProtocolError for
    an empty array.

    With `groups` (n,), whole groups are drawn, over all classes; a class that a draw lacks is left out of its mean.
    """
    credit, truth = _values(credit), np.asarray(truth)
    if groups is not None and credit.min() < credit.max():
        return _mean_per_class_of_groups(credit, truth, np.asarray(groups), seed, draws, level)
    present, sizes = np.unique(truth, return_counts=True)
    if credit.min() == credit.max() and credit[0] in (0.0, 1.0):
        return wilson(float(credit[0]), len(present) ** 2 / float((1 / sizes).sum()), level)
    rng = np.random.default_rng(seed)
    total = np.zeros(draws)
    parts = sorted((np.sort(credit[truth == label]) for label in present), key=lambda part: (len(part), part.tolist()))
    for part in parts:  # so that the names of the classes do not matter
        total += _drawn_means(part, max(len(part) - 1, 1), draws, rng)
    return percentiles(total / len(present), level)


def _mean_per_class_of_groups(
    credit: np.ndarray, truth: np.ndarray, groups: np.ndarray, seed: int, draws: int, level: float
) -> Interval:
    _, group = np.unique(groups, return_inverse=True)
    _, label = np.unique(truth, return_inverse=True)
    shape = (int(group.max()) + 1, int(label.max()) + 1)
    counts, sums = np.zeros(shape), np.zeros(shape)
    np.add.at(counts, (group, label), 1.0)
    np.add.at(sums, (group, label), credit)
    columns = sorted(range(shape[1]), key=lambda at: sorted(zip(counts[:, at].tolist(), sums[:, at].tolist(), strict=True)))
    counts, sums = counts[:, columns], sums[:, columns]  # so that neither the names of the classes
    order = np.lexsort(np.concatenate([counts, sums], axis=1).round(9).T)  # nor those of the groups matter
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(shape[0], np.full(shape[0], 1 / shape[0]), size=draws).astype(float)
    seen = drawn @ counts[order]
    means = np.where(seen > 0, drawn @ sums[order] / np.maximum(seen, 1e-12), np.nan)
    return percentiles(np.nanmean(means, axis=1), level)


def normal_mean(values: np.ndarray, level: float = LEVEL, *, groups: np.ndarray | None = None) -> Interval:
    """Normal interval of the mean of `values` (n,): mean -+ z s / sqrt(n); unbounded for a single value.

    With `groups` (n,), whose values depend on each other, the deviations are added up within groups first (cluster-robust).
    Raises ProtocolError for an empty or non-finite array.
    """
    values = _values(values)
    mean, z = math.fsum(values) / len(values), NormalDist().inv_cdf(0.5 + level / 2)
    if groups is not None:
        sums = np.sort(np.bincount(np.unique(groups, return_inverse=True)[1], weights=values - mean))
        if len(sums) < 2:
            return -math.inf, math.inf
        half = z * math.sqrt(len(sums) / (len(sums) - 1) * math.fsum(sums * sums)) / len(values)
        return mean - half, mean + half
    if len(values) < 2:
        return -math.inf, math.inf
    half = z * float(np.std(np.sort(values), ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


def log_u_statistic(rows: np.ndarray, level: float = LEVEL) -> Interval:
    """Interval of log U, U a U-statistic of order two, from each row's mean over its pairs, `rows` float (n,), all above 0.

    Hajek's projection: U - E U is to first order 2 / n sum_i (h_i - U) with h_i the row means (Hoeffding 1948); the delta
    method carries it through the logarithm. Where the projection vanishes (points uniform on a sphere) the row means still
    hold the noise of second order, twice over: the interval is then too wide, never too narrow. Raises ProtocolError as
    `normal_mean`, and for rows that are not above 0.
    """
    return normal_mean(log_u_contributions(rows), level)


def log_u_contributions(rows: np.ndarray) -> np.ndarray:
    """What each row adds to log U (n,): log U + 2 (h_i / U - 1). Their mean is log U. Raises as `log_u_statistic`."""
    rows = _values(rows)
    if rows.min() <= 0:
        raise ProtocolError(f"the logarithm of a U-statistic needs row means above 0; the least is {rows.min()}.")
    u = math.fsum(rows) / len(rows)
    contributions: np.ndarray = math.log(u) + 2 * (rows / u - 1)
    return contributions


def _values(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ProtocolError(f"an interval needs a list of at least one value; got an array of shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ProtocolError(f"an interval needs finite values; {int((~np.isfinite(values)).sum())} are NaN or infinite.")
    return values


def _drawn_means(values: np.ndarray, size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means (draws,) of `size` values drawn with replacement."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= FEW:
        means: np.ndarray = rng.multinomial(size, counts / counts.sum(), size=draws) @ distinct / size
        return means
    ordered = np.sort(values)
    means = np.empty(draws)
    step = max(1, BLOCK // size)
    for first in range(0, draws, step):
        drawn = rng.integers(len(ordered), size=(min(step, draws - first), size))
        means[first : first + step] = ordered[drawn].mean(axis=1)
    return means


def percentiles(means: np.ndarray, level: float = LEVEL) -> Interval:
    """The middle `level` of what a bootstrap drew (draws,)."""
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
