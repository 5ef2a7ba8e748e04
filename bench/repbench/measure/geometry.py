"""Geometry of embeddings on the unit sphere: alignment, uniformity (Wang & Isola 2020), tolerance (Wang & Liu 2021).

    alignment  = E |f(x) - f(y)|^alpha               over positive pairs         in [0, 2^alpha]
    uniformity = log E exp(-t |f(x) - f(y)|^2)       over distinct pairs         in [-4 t, 0]; 0 is collapse
    tolerance  = E f(x) . f(y)                       over pairs of one class     in [-1, 1]; 1 is collapse within classes

All in float64, on rows of length one; |a - b|^2 = 2 - 2 a . b. Each has a form per row, which intervals are made from.
"""

from __future__ import annotations

import math

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.threads import share_out

SHORTEST = 1e-140  # length of a row whose square is a full float64; its inverse is the longest
BLOCK = 768  # rows a block: products of 4.5 MB, whatever the number of rows


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) at length one, float64; rows of zeros stay zeros."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(x, axis=-1, keepdims=True)
    odd = ~((norms > SHORTEST) & (norms < 1 / SHORTEST))[..., 0]  # zero, or its square is beyond what a float can hold
    if odd.any():
        x, norms = x.copy(), norms.copy()
        largest = np.abs(x[odd]).max(axis=-1, keepdims=True)
        x[odd] /= np.where(largest > 0, largest, 1.0)
        norms[odd] = np.where(largest > 0, np.linalg.norm(x[odd], axis=-1, keepdims=True), 1.0)
    unit: np.ndarray = x / norms
    return unit


def normalised(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) at length one, float64. Raises ProtocolError for rows that have no direction, saying how many."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(x, axis=-1, keepdims=True)
    if (
        (norms > SHORTEST) & (norms < 1 / SHORTEST)
    ).all():  # nearly always: to look at each number takes as long as all of this
        unit: np.ndarray = x / norms
        return unit
    bad = int((~np.isfinite(x).all(axis=-1)).sum())
    if bad:
        raise ProtocolError(f"{bad} of {len(x)} embeddings are NaN or infinite.")
    zeros = int((~x.any(axis=-1)).sum())
    if zeros:
        raise ProtocolError(f"{zeros} of {len(x)} embeddings are zero vectors: they have no direction on the unit sphere.")
    return unit_rows(x)


def alignment_rows(x: np.ndarray, y: np.ndarray, alpha: float = 2.0) -> np.ndarray:
    """|x_i - y_i|^alpha (n,) of positive pairs, rows normalised. Raises ProtocolError for zero rows or unequal shapes."""
    if np.shape(x) != np.shape(y):
        raise ProtocolError(f"alignment needs pairs of one shape; got {np.shape(x)} and {np.shape(y)}.")
    distances: np.ndarray = np.linalg.norm(normalised(x) - normalised(y), axis=1) ** alpha
    return distances


def alignment(x: np.ndarray, y: np.ndarray, alpha: float = 2.0) -> float:
    """Mean distance of positive pairs, raised to alpha; x, y (n, d). Raises ProtocolError for zero rows or no pair."""
    return _mean(alignment_rows(x, y, alpha))


def potentials(x: np.ndarray, t: float = 2.0) -> np.ndarray:
    """Each row's mean of exp(-t |x_i - x_j|^2) over the other rows j, float64 (n,); x (n, d), rows normalised.

    Blocks of products on and above the diagonal, shared out over threads. Raises ProtocolError for zero rows and fewer than
    two rows.
    """
    unit = normalised(x)
    n = len(unit)
    if n < 2:
        raise ProtocolError(f"uniformity is over pairs of embeddings; got {n} embedding{'' if n == 1 else 's'}.")
    unit *= math.sqrt(2 * t)

    def potential(corner: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The sums over the columns and over the rows of one block."""
        i, j = corner
        kernel = unit[i : i + BLOCK] @ unit[j : j + BLOCK].T
        kernel -= 2 * t
        np.exp(kernel, out=kernel)
        if i == j:
            np.fill_diagonal(kernel, 0.0)  # a row is no pair with itself
        return kernel.sum(axis=1), kernel.sum(axis=0)

    corners = [(i, j) for i in range(0, n, BLOCK) for j in range(i, n, BLOCK)]
    sums = np.zeros(n)
    for (i, j), (rows, columns) in zip(corners, share_out(potential, corners), strict=True):
        sums[i : i + BLOCK] += rows
        if i != j:
            sums[j : j + BLOCK] += columns
    means: np.ndarray = np.minimum(sums / (n - 1), 1.0)  # rounding alone can be above
    return means


def uniformity(x: np.ndarray, t: float = 2.0) -> float:
    """Logarithm of the mean Gaussian potential over all distinct pairs of rows of x (n, d). Raises as `potentials`."""
    return math.log(_mean(potentials(x, t)))


def tolerance_contributions(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What each row adds to the tolerance (n,); their mean is the tolerance. x (n, d), labels int (n,).

    With s_i a row's sum of cosines to the others of its class and m_i their number, tolerance T = sum s / sum m, and the
    contribution is Hajek's projection of that ratio, T + 2 (s_i - T m_i) / mean(m). The sums are closed: s_i is the row
    times its class sum, less the self-pair. Raises ProtocolError where no two rows share a class, and for zero rows.
    """
    x = normalised(x)
    _, group = np.unique(np.asarray(labels), return_inverse=True)
    sizes = np.bincount(group)
    sums = np.zeros((len(sizes), x.shape[1]))
    np.add.at(sums, group, x)
    others = (sizes[group] - 1).astype(np.float64)
    if not others.any():
        raise ProtocolError("tolerance is over pairs of one class; no two embeddings share a class.")
    cosines = np.einsum("ij,ij->i", x, sums[group]) - np.einsum("ij,ij->i", x, x)
    ratio = math.fsum(cosines) / math.fsum(others)
    contributions: np.ndarray = ratio + 2 * (cosines - ratio * others) / others.mean()
    return contributions


def tolerance(x: np.ndarray, labels: np.ndarray) -> float:
    """Mean cosine over all pairs of rows of x (n, d) that share a label, self-pairs left out. Raises as above."""
    return _mean(tolerance_contributions(x, labels))


def mean_cosine_contributions(z: np.ndarray) -> np.ndarray:
    """What each row adds to the mean cosine of distinct rows (n,): Hajek's projection, whose mean is the metric."""
    unit = unit_rows(z)
    n = len(unit)
    others = (unit @ unit.sum(axis=0) - (unit * unit).sum(axis=1)) / (n - 1)
    rows: np.ndarray = 2 * others - others.mean()
    return rows


def _mean(values: np.ndarray) -> float:
    if not len(values):
        raise ProtocolError("a mean over no embeddings is not defined.")
    return math.fsum(values) / len(values)
