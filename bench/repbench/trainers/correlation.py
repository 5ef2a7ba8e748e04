"""Covariances and correlations between the dimensions of embeddings."""

from __future__ import annotations

from torch import Tensor


def off_diagonal(matrix: Tensor) -> Tensor:
    """The entries (d * (d - 1),) of a square matrix that are not on its diagonal."""
    side = len(matrix)
    return matrix.flatten()[:-1].view(side - 1, side + 1)[:, 1:].flatten()


def cross_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Correlations (d, d) of the dimensions of one embedding (n, d) with those of another, over the batch."""
    return _standardised(first).T @ _standardised(second) / len(first)


def _standardised(z: Tensor) -> Tensor:
    return (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()  # as an affine-free batch norm does
