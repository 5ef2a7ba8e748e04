"""Shares of variance explained, example by example, so that a mean has an interval and can be compared pair by pair."""

from __future__ import annotations

import numpy as np

from repbench.errors import ProtocolError


def r2_contributions(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What each row adds to R^2, (n,); their mean is R^2 = 1 - sum |y - yhat|^2 / sum |y - mean y|^2 over rows and columns.

    The linearisation of a ratio: R^2 - (a_i - (1 - R^2) b_i) / mean b, a and b the squares of row i. Of several columns the
    squares are added up (scikit-learn's "variance_weighted"). Raises ProtocolError where the truth is constant.
    """
    y, f = (np.asarray(one, dtype=np.float64).reshape(len(one), -1) for one in (truth, predicted))
    missed, spread = ((y - f) ** 2).sum(axis=1), ((y - y.mean(axis=0)) ** 2).sum(axis=1)
    if not spread.sum() > 0:
        raise ProtocolError("R^2 is not defined: the truth is constant.")
    return ratio_contributions(missed, spread)


def ratio_contributions(missed: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """What each row adds to 1 - sum missed / sum spread, (n,), of squares (n,) each, the latter not all zero."""
    ratio = missed.sum() / spread.sum()
    found: np.ndarray = 1 - ratio - (missed - ratio * spread) / spread.mean()
    return found


def skill_contributions(credit: np.ndarray, chance: float) -> np.ndarray:
    """What each row adds to (accuracy - chance) / (1 - chance), (n,). Raises ProtocolError where guessing is always right."""
    if chance >= 1:
        raise ProtocolError("skill is not defined: one class is always right.")
    found: np.ndarray = (np.asarray(credit, dtype=np.float64) - chance) / (1 - chance)
    return found
