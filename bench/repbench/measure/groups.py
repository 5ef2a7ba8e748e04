"""How evenly a classifier serves groups: worst group, gap, equalised odds. Groups are values of one column of the examples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repbench.measure.intervals import wilson

LEAST = 10  # examples of a group that is ranked; smaller ones are reported only


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
