"""LiDAR (Thilak et al. 2024): the effective rank of the discriminant between items, whose classes are views of one item."""

from __future__ import annotations

import numpy as np

from repbench.errors import ProtocolError

DELTA = 1e-4  # added to the scatter within items
EPSILON = 1e-7  # added to each share


def lidar(views: np.ndarray, delta: float = DELTA) -> float:
    """exp(entropy of the eigenvalues of Sw^-1/2 Sb Sw^-1/2), views float (items, q, d), between 1 and min(items - 1, d).

    Sb: scatter of the items' means; Sw: scatter of views about their item's mean, plus delta on the diagonal. Computed in the
    span of all rows, outside of which Sb is 0. Raises ProtocolError for fewer than two items or views.
    """
    x = np.asarray(views, dtype=np.float64)
    if x.ndim != 3 or x.shape[0] < 2 or x.shape[1] < 2:
        raise ProtocolError(f"LiDAR needs two items or more in two views or more; got an array of shape {x.shape}.")
    means = x.mean(axis=1)
    between, within = means - means.mean(axis=0), (x - means[:, None]).reshape(-1, x.shape[2])
    if x.shape[2] > len(between) + len(within):
        basis = np.linalg.qr(np.concatenate([between, within]).T)[0]
        between, within = between @ basis, within @ basis
    scatter = within.T @ within / len(within) + delta * np.eye(within.shape[1])
    values, vectors = np.linalg.eigh(scatter)
    whitened = between @ (vectors / np.sqrt(values))
    found = np.linalg.svd(whitened, compute_uv=False) ** 2 / len(between)
    if found.sum() <= 0:
        return 1.0  # all items at one place
    p = found / found.sum() + EPSILON
    return float(np.exp(-(p * np.log(p)).sum()))
