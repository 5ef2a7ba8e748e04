"""Paired tests of one encoder against many on the same examples: swap the two predictions of each example (SimCLR, B.8.1)."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, norm

from repbench.errors import ProtocolError

DRAWS = 20_000
EXACT = 14  # examples that differ up to which all swaps are tried
BLOCK = 1 << 23  # swaps drawn at once
PART = 1 << 20  # of them in single precision at once: what stays in cache
FAR = 1e-4  # below it no feasible number of draws resolves p, and the normal limit of the swaps is used


def paired_p_values(best: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray:
    """Two-sided p-values (m,) that `best` (n,) and each of `others` (m, n) differ only by which prediction is whose.

    Exact (McNemar's binomial) where all differences have one size, as in accuracies; exact by enumeration up to EXACT
    examples that differ; else DRAWS random swaps, counted with the observed one so that p is never 0. All rows that need
    swaps share them. Raises ProtocolError for scores of other numbers of examples, none, or not finite.
    """
    best, others = np.asarray(best, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if best.ndim != 1 or not len(best) or others.ndim != 2 or others.shape[1] != len(best):
        raise ProtocolError(f"paired tests need scores (n,) and (m, n) of equal examples; got {best.shape} and {others.shape}.")
    if not (np.isfinite(best).all() and np.isfinite(others).all()):
        raise ProtocolError("paired tests need finite scores; some are NaN or infinite.")
    if not len(others):
        return np.empty(0)
    d = best - others
    d[np.abs(d) <= 1e-12] = 0.0
    size, count = np.abs(d), np.count_nonzero(d, axis=1)
    observed = np.abs(d.sum(axis=1))
    largest = size.max(axis=1)
    smallest = np.where(size > 0, size, np.inf).min(axis=1)
    one_size = (count > 0) & (largest - smallest <= 1e-9 * largest)
    p = np.ones(len(d))
    if one_size.any():
        wins, n = (d[one_size] > 0).sum(axis=1), count[one_size]
        p[one_size] = np.minimum(1.0, 2 * binom.cdf(np.minimum(wins, n - wins), n, 0.5))
    few = ~one_size & (count > 0) & (count <= EXACT)
    for place in np.flatnonzero(few):
        p[place] = _all_swaps(d[place][d[place] != 0], observed[place])
    many = ~one_size & (count > EXACT)
    if many.any():
        limit = 2 * norm.sf(observed[many] / np.sqrt((d[many] ** 2).sum(axis=1)))
        p[many] = limit
        drawn = np.flatnonzero(many)[limit >= FAR]
        p[drawn] = _random_swaps(d[drawn], observed[drawn], np.random.default_rng(seed))
    return p


def _all_swaps(d: np.ndarray, observed: float) -> float:
    signs = ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1) * 2 - 1
    return float((np.abs(signs @ d) >= observed - 1e-9 * float(np.abs(d).sum())).mean())


def _random_swaps(d: np.ndarray, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """p (m,) of differences (m, n), from the same DRAWS swaps of the n examples, in blocks that bound the memory."""
    reached = observed - 1e-6 * np.abs(d).sum(axis=1)  # sums in single precision
    columns, count = np.ascontiguousarray(-2 * d.T, dtype=np.float32), np.zeros(len(d), dtype=np.int64)
    total = d.sum(axis=1)
    step = max(1, BLOCK // max(1, d.shape[1]))
    for first in range(0, DRAWS, step):
        swapped = rng.integers(0, 2, size=(min(step, DRAWS - first), d.shape[1]), dtype=np.int8)
        for part in np.array_split(swapped, max(1, swapped.size // PART)):
            count += (np.abs(part.astype(np.float32) @ columns + total) >= reached).sum(axis=0)
    p: np.ndarray = (1 + count) / (DRAWS + 1)
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction of p-values (m,)."""
    if not len(p):
        return p
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
