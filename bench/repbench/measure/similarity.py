"""How alike two encoders see the same items, whatever their dimensions: CKA, RSA, shared neighbours.

CKA   <K, L> / (|K| |L|), K and L linear Gram matrices, centred               Kornblith et al. 2019, eq. 3
      with Song's unbiased estimate of each product: 0 for unrelated encoders, also for few items
RSA   Spearman's correlation of the cosine distances of all pairs             Kriegeskorte et al. 2008
mutual neighbours: mean share of the k nearest that both have                 Huh et al. 2024
"""

from __future__ import annotations

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.geometry import unit_rows


def cka(x: np.ndarray, y: np.ndarray, *, unbiased: bool = True) -> float:
    """Linear CKA of embeddings (n, d1) and (n, d2) of the same n > 3 items; NaN where one of them is constant."""
    x, y = _pair(x, y)
    k, g = (one @ one.T for one in (x - x.mean(axis=0), y - y.mean(axis=0)))
    product = _unbiased if unbiased else _plain
    both = product(k, k) * product(g, g)
    return float(product(k, g) / np.sqrt(both)) if both > 1e-24 * (k * k).sum() * (g * g).sum() > 0 else float("nan")


def rsa(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's correlation of cosine distances over all pairs of items; NaN where one encoder is constant."""
    from scipy.stats import rankdata

    x, y = _pair(x, y)
    above = np.triu_indices(len(x), 1)
    ranks = [rankdata(np.round((unit_rows(one) @ unit_rows(one).T)[above], 12)) for one in (x, y)]
    a, b = (one - one.mean() for one in ranks)
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float(a @ b) / size if size > 0 else float("nan")


def mutual_neighbours(x: np.ndarray, y: np.ndarray, k: int = 10) -> float:
    """Mean share, in [0, 1], of an item's k nearest others by cosine that both have; NaN where one is constant."""
    x, y = _pair(x, y)
    if min(np.ptp(unit_rows(one), axis=0).max() for one in (x, y)) <= 1e-12:
        return float("nan")  # none is nearer than another
    k = min(k, len(x) - 1)
    near = []
    for one in (x, y):
        cosines = np.round(unit_rows(one) @ unit_rows(one).T, 12)
        np.fill_diagonal(cosines, -np.inf)
        near.append(np.argsort(-cosines, axis=1, kind="stable")[:, :k])
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(*near, strict=True)]))


def jackknife(x: np.ndarray, y: np.ndarray, metric: object, blocks: int = 10) -> tuple[float, float, float]:
    """A metric of two arrays with a 95 % interval: value, low, high, by leaving out each of ten blocks of items."""
    from scipy.stats import t

    assert callable(metric)
    value = float(metric(x, y))
    block = np.arange(len(x)) % blocks
    left_out = np.array([float(metric(x[block != one], y[block != one])) for one in range(blocks)])
    pseudo = blocks * value - (blocks - 1) * left_out
    half = float(t.ppf(0.975, blocks - 1)) * float(pseudo.std(ddof=1)) / np.sqrt(blocks)
    return value, value - half, value + half


def _plain(k: np.ndarray, g: np.ndarray) -> float:
    return float((k * g).sum())


def _unbiased(k: np.ndarray, g: np.ndarray) -> float:
    """Song et al. (2012): the U-statistic of the product of two Gram matrices, up to the factor 1 / (n (n - 3))."""
    n = len(k)
    k, g = (one - np.diag(np.diag(one)) for one in (k, g))
    rows = k.sum(axis=1), g.sum(axis=1)
    return float((k * g).sum() + rows[0].sum() * rows[1].sum() / (n - 1) / (n - 2) - 2 * rows[0] @ rows[1] / (n - 2))


def _pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 4:
        raise ProtocolError(f"two encoders are compared on the same four items or more; got shapes {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ProtocolError("embeddings are NaN or infinite.")
    return x, y
