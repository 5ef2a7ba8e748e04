"""What the spectrum of embeddings says of their rank: label-free metrics, each with what every row adds to it.

With Z (n, d) the embeddings, sigma_k its singular values, and lambda_k the eigenvalues of their covariance:

    rankme                exp(-sum p log p), p = sigma / sum sigma + 1e-7, not centred      Garrido et al. 2023, eq. 1
    variance-rank         exp(-sum p log p), p = lambda / sum lambda                        Roy & Vetterli 2007, on variances
    nesum                 sum lambda / lambda_1                                             He & Ozay 2022
    participation-ratio   (sum lambda)^2 / sum lambda^2
    stable-rank           |Z|_F^2 / |Z|_2^2 = sum sigma^2 / sigma_1^2, not centred
    alpha-req             -slope of log lambda_j on log j, j in [10, 100), weights 1 / j    Agrawal et al. 2022
    mean-cosine           mean cosine of distinct rows: 1 is a cone of one direction

Each but the last is a smooth function of eigenvalues m_k of a second-moment matrix with eigenvectors v_k, so that to first
order a row x adds f + sum_k df/dm_k ((x . v_k)^2 - m_k): the rows' mean of it is f itself, its spread gives the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from repbench.errors import ProtocolError

RANKME_EPSILON = 1e-7
FIT_FROM, FIT_TO = 10, 100  # eigenvalues that alpha is fitted on, where there are as many
NOTHING = 1e-12  # of the largest eigenvalue: below it there is no direction


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Eigenvalues float64 (k,), falling, of a second-moment matrix, and the squares (n, k) of the rows' coordinates."""

    values: Tensor
    squares: Tensor


def spectrum(z: np.ndarray, *, centred: bool) -> Spectrum:
    """The spectrum of Z'Z / n, Z (n, d), from the smaller of Z'Z and ZZ'. Raises ProtocolError for values not finite."""
    x = torch.from_numpy(np.asarray(z, dtype=np.float64))
    if not bool(torch.isfinite(x).all()) or x.ndim != 2 or len(x) < 2:
        raise ProtocolError(f"a spectrum needs two finite rows or more; got an array of shape {tuple(x.shape)}.")
    x = x - x.mean(dim=0) if centred else x
    n, d = x.shape
    wide = d > n
    values, vectors = torch.linalg.eigh((x @ x.T if wide else x.T @ x) / n)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    if wide:  # x = sum of sqrt(n m_k) u_k v_k': the coordinate of row i on v_k is sqrt(n m_k) u_ik
        return Spectrum(values=values, squares=n * values * vectors**2)
    return Spectrum(values=values, squares=(x @ vectors) ** 2)


def contributions(found: Spectrum, metric: Callable[[Tensor], Tensor]) -> np.ndarray:
    """What each row adds to a metric of the eigenvalues, float64 (n,); their mean is the metric."""
    kept = found.values > NOTHING * found.values[0]
    values = found.values.clone().requires_grad_(True)
    value = metric(values)
    (gradient,) = torch.autograd.grad(value, values)
    gradient = torch.where(kept & torch.isfinite(gradient), gradient, 0.0)
    rows: np.ndarray = (value.detach() + (found.squares - found.values) @ gradient).numpy()
    return rows


def rankme(values: Tensor) -> Tensor:
    """RankMe of eigenvalues that are not centred."""
    sigma = torch.where(values > 0, values, 1.0).sqrt() * (values > 0)
    p = sigma / sigma.sum() + RANKME_EPSILON
    return torch.exp(-(p * p.log()).sum())


def variance_rank(values: Tensor) -> Tensor:
    """The exponential of the entropy of the shares of variance."""
    p = values / values.sum()
    return torch.exp(-torch.xlogy(p, p.clamp(min=1e-300)).sum())


def first_share(values: Tensor) -> Tensor:
    """Sum of the eigenvalues by the largest: NESum when centred, the stable rank when not."""
    return values.sum() / values[0]


def participation_ratio(values: Tensor) -> Tensor:
    """The squared sum of the eigenvalues by the sum of their squares."""
    return values.sum() ** 2 / (values**2).sum()


def alpha(values: Tensor) -> Tensor:
    """The exponent of a power law through the eigenvalues, weighted least squares on logarithms. Raises ProtocolError.

    Where there are fewer than 100 eigenvalues above nothing, k of them, over [ceil(k / 50), k / 2).
    """
    count = int((values.detach() > NOTHING * values.detach()[0]).sum())
    first, last = (FIT_FROM, FIT_TO) if count >= FIT_TO else (max(1, math.ceil(count / 50)), count // 2)
    if last - first < 3:
        raise ProtocolError(f"a power law needs more than {count} directions with variance.")
    j = torch.arange(first, last, dtype=torch.float64)
    x, y, w = j.log(), values[first - 1 : last - 1].log(), 1 / j
    centre_x, centre_y = (w * x).sum() / w.sum(), (w * y).sum() / w.sum()
    return -(w * (x - centre_x) * (y - centre_y)).sum() / (w * (x - centre_x) ** 2).sum()
