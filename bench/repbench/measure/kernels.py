"""Features whose inner products are a Gaussian kernel: ridge regression on them is kernel ridge regression.

With landmarks z, f(x) = k(x, z) V diag(v)^-1/2 where k(z, z) = V diag(v) V' (Williams & Seeger 2001, Nystroem). Where every
row is a landmark the products are the kernel itself. All is made of squared distances, which serve every width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOTHING = 1e-10  # share of the largest eigenvalue below which a direction is left out


@dataclass(frozen=True, kw_only=True)
class GaussianFeatures:
    """Features of exp(-gamma |x - z|^2) through landmarks z."""

    gamma: float
    _back: np.ndarray  # (m, r)

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Features (n, r) of rows with squared distances (n, m) to the landmarks."""
        found: np.ndarray = np.exp(-self.gamma * distances) @ self._back
        return found


def gaussian_features(distances: np.ndarray, gamma: float) -> GaussianFeatures:
    """The features through landmarks with squared distances (m, m) to each other, at gamma > 0."""
    values, vectors = np.linalg.eigh(np.exp(-gamma * distances))
    kept = values > NOTHING * values[-1]
    return GaussianFeatures(gamma=gamma, _back=vectors[:, kept] / np.sqrt(values[kept]))


def squared_distances(x: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """|x_i - z_j|^2, float64 (n, m)."""
    if not len(x):
        return np.empty((0, len(landmarks)))
    from sklearn.metrics.pairwise import euclidean_distances

    return np.asarray(euclidean_distances(x, landmarks, squared=True))


def median_gamma(distances: np.ndarray) -> float:
    """1 / the median of the squared distances (m, m) between distinct rows; 1 where rows do not differ."""
    far = distances[np.triu_indices(len(distances), 1)]
    far = far[far > 1e-12 * max(float(distances.max()), 1e-300)]
    return 1.0 / float(np.median(far)) if len(far) else 1.0
