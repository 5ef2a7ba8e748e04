"""What the probe's solver is told in: coordinates in which the curvature is nearly diagonal, and points along the path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rotate(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotated features (n, r) and the map (d, r) from rotated to original weights: same logits, same norms.

    With d <= n the eigenvectors of the covariance; with n < d those of the Gram matrix, whose root has the same products.
    Either way the curvature is nearly diagonal. Directions whose variance is rounding beside the largest are dropped.
    """
    n, d = centred.shape
    if d <= n:
        vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))[1].astype(centred.dtype)
        return centred @ vectors, vectors
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    kept = values > (1e-14 if centred.dtype == np.float64 else 1e-9) * max(float(values[-1]), 1e-300)
    roots, vectors = np.sqrt(values[kept]).astype(centred.dtype), vectors[:, kept].astype(centred.dtype)
    return vectors * roots, (centred.T @ vectors) / roots


def lagrange(x: float, at: Sequence[float]) -> list[float]:
    """Shares of the values at `at` in the polynomial through them, at x."""
    return [float(np.prod([(x - other) / (one - other) for other in at if other != one])) for one in at]


def combined(shares: Sequence[float], arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of shares x arrays, in the precision of the arrays."""
    total: np.ndarray = arrays[0] * arrays[0].dtype.type(shares[0])
    for share, array in zip(shares[1:], arrays[1:], strict=True):
        total += array.dtype.type(share) * array
    return total
