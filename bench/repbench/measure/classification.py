"""From class scores to credits and metrics, with ties scored as guessing among the tied would score on average.

A classifier that cannot tell classes apart then scores exactly chance, in whatever order the classes stand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repbench.errors import ProtocolError

METRICS = ("accuracy", "mean-per-class")
TOLERANCE = 1e-9  # scores within this of the best, relative to max(1, |best|), are tied: above rounding in float64


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One entry per example: what was predicted and what it earns."""

    prediction: np.ndarray  # int64 (n,), the lowest of the tied best classes
    credit: np.ndarray  # float64 (n,): 1 / m where m best classes tie and the true one is among them, else 0
    tied: np.ndarray  # bool (n,): whether m > 1

    @property
    def tie_rate(self) -> float:
        """Share of examples in which several classes were best."""
        return float(self.tied.mean())


def judge(scores: np.ndarray, truth: np.ndarray) -> Judged:
    """Judge class scores (n, classes) by the true classes, int (n,).

    Raises ProtocolError where there is no example or a score is not finite, and for a true class that has no column.
    """
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    if scores.ndim != 2 or not scores.size or len(scores) != len(truth):
        raise ProtocolError(f"class scores need the shape (n, classes), n > 0; got {scores.shape} for {len(truth)} labels.")
    bad = int((~np.isfinite(scores).all(axis=1)).sum())
    if bad:
        raise ProtocolError(f"the class scores of {bad} of {len(scores)} examples are NaN or infinite.")
    if truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise ProtocolError(f"labels run from {truth.min()} to {truth.max()}; expected 0 to {scores.shape[1] - 1}.")
    best = scores.max(axis=1, keepdims=True)
    among = scores >= best - TOLERANCE * np.maximum(1.0, np.abs(best))
    count = among.sum(axis=1)
    credit = np.where(among[np.arange(len(truth)), truth], 1.0 / count, 0.0)
    return Judged(prediction=among.argmax(axis=1), credit=credit, tied=count > 1)


def accuracy(credit: np.ndarray) -> float:
    """Mean credit (n,); summed exactly, so that the order of examples does not matter."""
    return math.fsum(credit) / len(credit)


def mean_per_class(credit: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the classes that occur in `truth` (n,) of their mean credit: balanced accuracy."""
    credit, truth = np.asarray(credit), np.asarray(truth)
    return math.fsum(accuracy(credit[truth == label]) for label in np.unique(truth)) / len(np.unique(truth))


def value(metric: str, credit: np.ndarray, truth: np.ndarray) -> float:
    """The metric of that name, "accuracy" or "mean-per-class". Raises ProtocolError for another name."""
    if metric == "accuracy":
        return accuracy(credit)
    if metric == "mean-per-class":
        return mean_per_class(credit, truth)
    raise ProtocolError(f"metric is {metric!r}; expected 'accuracy' or 'mean-per-class'.")


def chance(metric: str, truth: np.ndarray, classes: int, train_label: np.ndarray | None = None) -> float:
    """What guessing scores: 1 / classes, and for "accuracy" at least what always guessing train's commonest class scores.

    Where several classes are commonest in train, the mean of their shares in `truth`. Raises ProtocolError as `value`.
    """
    if metric not in METRICS:
        raise ProtocolError(f"metric is {metric!r}; expected 'accuracy' or 'mean-per-class'.")
    if metric == "mean-per-class" or train_label is None:
        return 1.0 / classes
    seen = np.bincount(train_label, minlength=classes)
    shares = np.bincount(truth, minlength=classes) / len(truth)
    return max(1.0 / classes, float(shares[seen == seen.max()].mean()))
