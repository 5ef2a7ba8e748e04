"""Ridge regression at all strengths from one decomposition, with the leave-one-out error of each in closed form.

Minimises |y - x w - b|^2 + strength |w|^2, the intercept b without a penalty (Hoerl & Kennard 1970). With x centred and
x = U S V', the residual that a row has when it is left out is

    e_i = (y_i - yhat_i) / (1 - h_ii),   h = 1 / n + U diag(s^2 / (s^2 + strength)) U'       (Allen 1974, PRESS)

so that choosing a strength costs no second fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.checked import checked_rows, checked_strengths, numbers

STRENGTHS = tuple(10.0 ** (half / 2) for half in range(-8, 17))  # 1e-4 to 1e8
SMALLEST = 1e-12  # singular value that is not taken for nothing
LARGEST = 1e100  # of a value: squares of larger ones, summed and divided, are more than float64 can hold
NOTHING = 1e-12  # of a row's residual that is left where it alone decides its fit


@dataclass(frozen=True, kw_only=True)
class RidgePath:
    """All solutions of one problem. `errors` (strengths, targets): mean squared leave-one-out error."""

    strengths: np.ndarray
    errors: np.ndarray
    _mean: np.ndarray  # (d,)
    _offset: np.ndarray  # (targets,)
    _rotated: np.ndarray  # U'y (r, targets)
    _s: np.ndarray  # (r,)
    _v: np.ndarray  # (d, r)

    def weights(self, places: np.ndarray) -> np.ndarray:
        """Weights (d, targets) where target t has the strength at `places[t]`, int (targets,)."""
        s = self._s[:, None]
        weights: np.ndarray = self._v @ (self._rotated * (s / (s * s + self.strengths[places][None])))
        return weights

    def predict(self, x: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Predictions (m, targets) for rows x (m, d)."""
        found: np.ndarray = (checked_rows(x, len(self._mean)) - self._mean) @ self.weights(places) + self._offset
        return found

    def predict_all(self, x: np.ndarray) -> np.ndarray:
        """Predictions (strengths, m, targets) at every strength."""
        seen, s = (checked_rows(x, len(self._mean)) - self._mean) @ self._v, self._s[:, None]
        return np.stack([seen @ (self._rotated * (s / (s * s + one))) + self._offset for one in self.strengths])


def fit_path(x: np.ndarray, y: np.ndarray, strengths: tuple[float, ...] = STRENGTHS) -> RidgePath:
    """The solutions for x (n, d), y (n, targets) at every strength, all above 0.

    One singular value decomposition. Raises ProtocolError for fewer than three rows, values that are not finite or whose
    squares are not, and strengths that are no finite numbers above 0.
    """
    strengths = checked_strengths(strengths)
    x, y = numbers(x).astype(np.float64), numbers(y).astype(np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ProtocolError(f"ridge regression needs features (n, d) and targets (n, targets); got {x.shape} and {y.shape}.")
    if len(x) < 3:
        raise ProtocolError(f"ridge regression needs three rows or more; got {len(x)}.")
    largest = np.maximum(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0))  # of NaN and others, NaN
    if not np.isfinite(largest):
        raise ProtocolError("ridge regression was given values that are NaN or infinite.")
    if largest > LARGEST:
        raise ProtocolError(f"ridge regression cannot sum squares of values as large as {largest:.3g}: at most {LARGEST:.0e}.")
    mean, offset = x.mean(axis=0), y.mean(axis=0)
    x, y = x - mean, y - offset
    u, s, v = _decomposed(x)
    rotated = u.T @ y
    each = np.array(strengths)
    errors = np.empty((len(each), y.shape[1]))
    squares = u * u
    for place, strength in enumerate(each):
        kept = s * s / (s * s + strength)
        left = 1 - 1 / len(x) - squares @ kept
        residual = y - u @ (kept[:, None] * rotated)
        errors[place] = ((residual / np.maximum(left, NOTHING)[:, None]) ** 2).mean(axis=0)
    return RidgePath(strengths=each, errors=errors, _mean=mean, _offset=offset, _rotated=rotated, _s=s, _v=v)


def strongest_of_best(errors: np.ndarray) -> int:
    """The place of the least error (strengths,), of equal ones the strongest penalty: strengths ascend."""
    least = errors.min()
    return int(np.flatnonzero(errors <= least + 1e-12 * max(abs(float(least)), 1e-300))[-1])


def _decomposed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular vectors (n, r), values (r,) and right vectors (d, r) of centred x (n, d), those that are more than rounding.

    Of x itself: in its products with itself, features of a millionth of the largest would be rounding.
    """
    u, s, v = np.linalg.svd(x, full_matrices=False)
    kept = s > max(max(x.shape) * np.finfo(np.float64).eps * s.max(initial=0.0), SMALLEST)
    return u[:, kept], s[kept], v[kept].T
