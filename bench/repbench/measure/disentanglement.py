"""Disentanglement, completeness, informativeness of a code (Eastwood & Williams 2018, section 2), from an importance matrix.

R (code dimensions, factors), not negative: how much dimension i counts in predicting factor j.

    disentanglement  D_i = 1 - H_K(R_i. / sum), K factors; weighted by the share of R that row i holds
    completeness     C_j = 1 - H_D(R_.j / sum), D dimensions; mean over factors

H_b is the entropy to base b. Informativeness is how well the factors are predicted. R here: |weights| of a lasso on
standardised codes, one of the paper's two choices.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PENALTIES = (0.7, 0.4, 0.2, 0.1)  # shares of the penalty at which every weight is zero


def disentanglement(importance: np.ndarray) -> float:
    """Weighted mean of D_i over dimensions (rows) of R (D, K); NaN for fewer than two factors or where R is zero."""
    r = np.asarray(importance, dtype=np.float64)
    rows = r.sum(axis=1)
    if r.shape[1] < 2 or rows.sum() <= 0:
        return float("nan")
    used = rows > 0
    return float((rows[used] / rows.sum()) @ (1 - _entropy(r[used].T, r.shape[1])))


def completeness(importance: np.ndarray) -> float:
    """Mean of C_j over the factors (columns) of R (D, K) that anything counts for; NaN for one dimension or where R is zero."""
    r = np.asarray(importance, dtype=np.float64)
    used = r.sum(axis=0) > 0
    return float((1 - _entropy(r[:, used], len(r))).mean()) if len(r) > 1 and used.any() else float("nan")


def _entropy(columns: np.ndarray, base: int) -> np.ndarray:
    """Entropy of each column, scaled to sum to 1, to that base."""
    p = columns / columns.sum(axis=0)
    found: np.ndarray = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=0) / np.log(base)
    return found


@dataclass(frozen=True, kw_only=True)
class LassoPath:
    """Weights (penalties, d, targets) of a lasso on centred data, penalties falling; the targets' means; did all converge."""

    weights: np.ndarray
    mean: np.ndarray
    offset: np.ndarray
    converged: bool

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predictions (penalties, m, targets)."""
        found: np.ndarray = (np.asarray(x, dtype=np.float64) - self.mean) @ self.weights + self.offset
        return found


def lasso_path(x: np.ndarray, y: np.ndarray, penalties: Sequence[float] = PENALTIES) -> LassoPath:
    """Lasso of every target of y (n, targets) on x (n, d) at shares of its largest penalty, by scikit-learn."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lasso_path as solve

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    mean, offset = x.mean(axis=0), y.mean(axis=0)
    x, y = x - mean, y - offset
    gram, products = x.T @ x, x.T @ y
    found = np.zeros((len(penalties), x.shape[1], y.shape[1]))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        for target in range(y.shape[1]):
            largest = float(np.abs(products[:, target]).max()) / len(x)
            if largest > 1e-12:  # of a constant code every weight is zero
                alphas = largest * np.array(penalties)
                options = {"precompute": gram, "Xy": products[:, target], "alphas": alphas, "tol": 1e-3, "max_iter": 300}
                found[:, :, target] = solve(x, y[:, target], **options)[1].T
    return LassoPath(weights=found, mean=mean, offset=offset, converged=not told)
