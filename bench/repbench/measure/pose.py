"""What a split by pose tells: accuracies that share their draws of whole instances, and what is derived of them.

    variance within     sum_i sum_{z of i} ||z - mean_i||^2 / sum_z ||z - mean||^2: 0 where no pose moves an embedding
    area                of a curve by trapezoids, divided by its width: its mean height

Known and unknown instances are drawn apart, each by a bootstrap of whole instances, and what is derived is so draw by draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repbench.measure.classification import mean_per_class
from repbench.measure.intervals import Interval, percentiles

DRAWS = 1000
FLAT = 1e-12  # variance, of the mean square, below which there is none


@dataclass(frozen=True, kw_only=True)
class Part:
    """Outcomes of some rows: credit float (n,), class int (n,), instance str (n,), and whether the instances are known ones."""

    credit: np.ndarray
    truth: np.ndarray
    instance: np.ndarray
    known: bool

    def take(self, rows: np.ndarray) -> Part:
        """The rows of a mask."""
        return Part(credit=self.credit[rows], truth=self.truth[rows], instance=self.instance[rows], known=self.known)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A number, and what it is in each draw of instances (DRAWS,)."""

    value: float
    draws: np.ndarray

    def __sub__(self, other: Drawn) -> Drawn:
        """The difference, draw by draw."""
        return Drawn(value=self.value - other.value, draws=self.draws - other.draws)

    def over(self, other: Drawn) -> Drawn:
        """The ratio, draw by draw; without an interval where the divisor is not surely above 0."""
        sure = percentiles(other.draws)[0] > 0
        ratios = self.draws / np.where(other.draws > 0, other.draws, np.inf) if sure else np.full(DRAWS, np.nan)
        return Drawn(value=self.value / other.value, draws=ratios)

    def interval(self) -> Interval:
        """95 %, widened to hold the value; NaN where there is none."""
        low, high = percentiles(self.draws)
        return (low, high) if np.isnan(low) else (min(low, self.value), max(high, self.value))


class Instances:
    """Draws of whole instances, str (m,) known and unknown: every accuracy of a split is seen through the same."""

    def __init__(self, known: np.ndarray, unknown: np.ndarray, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._of: dict[bool, tuple[np.ndarray, np.ndarray]] = {}
        for is_known, names in ((True, np.unique(known)), (False, np.unique(unknown))):
            drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
            self._of[is_known] = (names, drawn.astype(np.float32))

    def accuracy(self, part: Part) -> Drawn:
        """Mean over the classes of their accuracy; a class of which a draw has nothing is left out of that draw."""
        value = mean_per_class(part.credit, part.truth)
        names, weights = self._of[part.known]
        _, label = np.unique(part.truth, return_inverse=True)
        place = np.searchsorted(names, part.instance) * (label.max() + 1) + label
        size = len(names) * (label.max() + 1)
        counts, sums = (np.bincount(place, weights=one, minlength=size).reshape(len(names), -1) for one in (None, part.credit))
        seen, earned = weights @ counts, weights @ sums
        present = (seen > 0).sum(axis=1)
        total = np.where(seen > 0, earned / np.maximum(seen, 1e-12), 0).sum(axis=1)
        return Drawn(value=value, draws=np.where(present > 0, total / np.maximum(present, 1), value))

    def variance_within(self, x: np.ndarray, instance: np.ndarray) -> Drawn | None:
        """Share of the variance of embeddings (n, dim) of unknown instances that lies within them; None where there is none."""
        from scipy.sparse import csr_matrix

        names, weights = self._of[False]
        size = float(np.einsum("ij,ij->", x, x, dtype=np.float64))
        x = x - x.mean(axis=0, dtype=np.float64)
        group = np.searchsorted(names, instance)
        count = np.bincount(group, minlength=len(names))[:, None].astype(float)
        sums = csr_matrix((np.ones(len(x)), (group, np.arange(len(x)))), shape=(len(names), len(x))) @ x
        squares = np.bincount(group, weights=np.einsum("ij,ij->i", x, x), minlength=len(names))[:, None]
        within = squares - (sums * sums).sum(axis=1, keepdims=True) / np.maximum(count, 1)
        if squares.sum() <= FLAT * size:
            return None

        def share(by: np.ndarray) -> np.ndarray:
            mean = by @ sums
            total = by @ squares - (mean * mean).sum(axis=1, keepdims=True) / (by @ count)
            found: np.ndarray = np.divide(by @ within, total, out=np.ones_like(total), where=total > FLAT * size)[:, 0]
            return found

        return Drawn(value=float(share(np.ones((1, len(names))))[0]), draws=share(weights))


def consistent(prediction: np.ndarray, instance: np.ndarray) -> np.ndarray:
    """For each instance, sorted, whether all its rows are predicted alike: float (m,) of 0 and 1."""
    _, group = np.unique(instance, return_inverse=True)
    low, high = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    np.minimum.at(low, group, prediction)
    np.maximum.at(high, group, prediction)
    same: np.ndarray = (low == high).astype(float)
    return same


def area(x: np.ndarray, curves: list[Drawn]) -> Drawn:
    """The area under a curve at rising x (m,) by trapezoids, divided by its width: the mean height."""
    weight = np.zeros(len(x))
    weight[:-1] += np.diff(x) / 2
    weight[1:] += np.diff(x) / 2
    weight /= x[-1] - x[0]
    value = sum(float(w) * one.value for w, one in zip(weight, curves, strict=True))
    draws = sum((w * one.draws for w, one in zip(weight, curves, strict=True)), start=np.zeros(DRAWS))
    return Drawn(value=value, draws=draws)


def lowest(curves: list[Drawn]) -> Drawn:
    """The least of several; taking a least biases it, and its draws, downward."""
    return Drawn(value=min(one.value for one in curves), draws=np.min([one.draws for one in curves], axis=0))


def mean(curves: list[Drawn]) -> Drawn:
    """The mean of several."""
    return Drawn(value=float(np.mean([one.value for one in curves])), draws=np.mean([one.draws for one in curves], axis=0))
