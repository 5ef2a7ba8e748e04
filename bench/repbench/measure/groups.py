"""How evenly a classifier serves groups: worst group, gap, equalised odds. Groups are values of one column of the examples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repbench.measure.intervals import Interval, percentiles, wilson

LEAST = 10  # examples of a group that is ranked; smaller ones are reported only
DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group: its value, how many examples, its accuracy with Wilson's interval, and whether it is large enough to rank."""

    value: str
    n: int
    accuracy: float
    low: float
    high: float

    @property
    def ranked(self) -> bool:
        """Whether it has LEAST examples or more."""
        return self.n >= LEAST


def groups_of(column: np.ndarray, credit: np.ndarray) -> list[Group]:
    """The groups of a column (n,), sorted by value, with the accuracy of credits (n,) in each."""
    found = []
    for value in np.unique(column.astype(str)):
        own = credit[column.astype(str) == value]
        share = math.fsum(own) / len(own)
        found.append(
            Group(
                value=str(value), n=len(own), accuracy=share, **dict(zip(("low", "high"), wilson(share, len(own)), strict=True))
            )
        )
    return found


def worst(groups: list[Group]) -> Group | None:
    """The ranked group of least accuracy; None where none is ranked."""
    return min((one for one in groups if one.ranked), key=lambda one: (one.accuracy, one.value), default=None)


def gap(groups: list[Group]) -> float:
    """Best less worst accuracy of the ranked groups; NaN for fewer than two."""
    shares = [one.accuracy for one in groups if one.ranked]
    return max(shares) - min(shares) if len(shares) > 1 else math.nan


def equalised_odds_difference(column: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> float:
    """Largest spread between ranked groups of a class's true or false positive rate, one class against the rest.

    For two classes the difference of Hardt et al. (2016) as fairlearn gives it. Rates of a group without an example of the
    class (or of the others) are left out. NaN where no rate can be compared.
    """
    column = column.astype(str)
    values, counts = np.unique(column, return_counts=True)
    kept = values[counts >= LEAST]
    spread = math.nan
    for label in np.unique(truth):
        for real in (True, False):
            rates = []
            for value in kept:
                mask = (column == value) & ((truth == label) == real)
                if mask.any():
                    rates.append(float((prediction[mask] == label).mean()))
            if len(rates) > 1:
                spread = max(max(rates) - min(rates), 0.0 if math.isnan(spread) else spread)
    return spread


def worst_interval(column: np.ndarray, credit: np.ndarray, seed: int, clusters: np.ndarray | None = None) -> Interval:
    """Percentile bootstrap of the worst ranked group's accuracy: examples (n,) are drawn within groups.

    With `clusters` (n,), whole clusters are drawn, each with what it has in every group; a draw leaves out the groups of which
    it has nothing. Taking a least biases it downward, so it may lie below the value; it tests no group against another.
    """
    column = column.astype(str)
    rng = np.random.default_rng(seed)
    if clusters is not None:
        return percentiles(_least_of_clusters(column, credit, clusters, rng))
    least = np.full(DRAWS, np.inf)
    for value in np.unique(column):
        own = np.sort(credit[column == value])
        if len(own) >= LEAST:
            distinct, counts = np.unique(own, return_counts=True)
            drawn = rng.multinomial(len(own), counts / len(own), size=DRAWS) @ distinct / len(own)
            least = np.minimum(least, drawn)
    return percentiles(least)


def _least_of_clusters(column: np.ndarray, credit: np.ndarray, clusters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The worst ranked group's accuracy in each draw of clusters, (DRAWS,)."""
    values, group, sizes = np.unique(column, return_inverse=True, return_counts=True)
    names, cluster = np.unique(clusters.astype(str), return_inverse=True)
    table = np.zeros((2, len(names), len(values)))  # credit and count, by cluster and group
    np.add.at(table[0], (cluster, group), credit)
    np.add.at(table[1], (cluster, group), 1)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    earned, seen = drawn @ table[0][:, sizes >= LEAST], drawn @ table[1][:, sizes >= LEAST]
    accuracy = np.divide(earned, seen, out=np.full_like(earned, np.inf), where=seen > 0)
    least = accuracy.min(axis=1)
    kept: np.ndarray = least[np.isfinite(least)]
    return kept
