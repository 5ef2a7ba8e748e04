"""Bias to priors: which classes a classifier says too often, and whether it is better on the classes that occur often."""

from __future__ import annotations

import numpy as np


def histogram(scores: np.ndarray) -> np.ndarray:
    """The share of each class among the predictions, float64 (classes,), of class scores (n, classes).

    An example whose best classes tie counts in equal parts for each of them.
    """
    best = scores >= scores.max(axis=1, keepdims=True) - 1e-9 * np.maximum(1.0, np.abs(scores).max(axis=1, keepdims=True))
    shares: np.ndarray = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Half the sum of absolute differences of two distributions (classes,): 0 equal, 1 with nothing in common."""
    return float(np.abs(np.asarray(p) - np.asarray(q)).sum() / 2)


def effective_classes(p: np.ndarray) -> float:
    """exp of the entropy of a distribution (classes,): how many classes it spreads over."""
    kept = np.asarray(p)[np.asarray(p) > 0]
    return float(np.exp(-(kept * np.log(kept)).sum()))


def thirds(counts: np.ndarray) -> np.ndarray:
    """For each class 0 (rare), 1 or 2 (common), int (classes,): thirds by their counts; equal counts stay together.

    All are 1 where the counts do not differ.
    """
    counts = np.asarray(counts)
    if counts.min() == counts.max():
        return np.ones(len(counts), dtype=np.int64)
    below = np.searchsorted(np.sort(counts), counts, side="left")
    upto = np.searchsorted(np.sort(counts), counts, side="right")
    middle = (below + upto) / 2 / len(counts)
    found: np.ndarray = np.minimum((middle * 3).astype(np.int64), 2)
    return found
