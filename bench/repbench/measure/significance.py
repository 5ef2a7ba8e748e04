"""Paired tests of one encoder against many on the same examples: swap the two predictions of each example (SimCLR, B.8.1)."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, norm

DRAWS = 20_000
EXACT = 14  # examples that differ up to which all swaps are tried
FAR = 1e-4  # below it no feasible number of draws resolves p, and the normal limit of the swaps is used


def paired_p_values(best: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray:
    """Two-sided p-values (m,) that `best` (n,) and each of `others` (m, n) differ only by which prediction is whose.

    Exact (McNemar's binomial) where all differences have one size, as in accuracies; exact by enumeration up to EXACT
    examples that differ; else DRAWS random swaps, counted with the observed one so that p is never 0.
    """
    rng = np.random.default_rng(seed)
    return np.array([_paired_p(best - other, rng) for other in others])


def _paired_p(difference: np.ndarray, rng: np.random.Generator) -> float:
    d = difference[np.abs(difference) > 1e-12]
    if not len(d):
        return 1.0
    size, observed = np.abs(d), abs(float(d.sum()))
    if size.max() - size.min() <= 1e-9 * size.max():
        wins = int((d > 0).sum())
        return min(1.0, 2 * float(binom.cdf(min(wins, len(d) - wins), len(d), 0.5)))
    limit = 2 * float(norm.sf(observed / np.sqrt((d * d).sum())))
    if len(d) > EXACT and limit < FAR:
        return limit
    reached = observed - 1e-9 * float(size.sum())
    if len(d) <= EXACT:
        signs = ((np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1) * 2 - 1
        return float((np.abs(signs @ d) >= reached).mean())
    swaps = rng.integers(0, 2, size=(DRAWS, len(d)), dtype=np.int8).astype(np.float32) * 2 - 1
    return (1 + int((np.abs(swaps @ d.astype(np.float32)) >= reached).sum())) / (DRAWS + 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction of p-values (m,)."""
    if not len(p):
        return p
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
