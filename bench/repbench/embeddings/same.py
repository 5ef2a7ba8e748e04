"""Whether a changed network still gives the same embeddings."""

from __future__ import annotations

from torch import Tensor

SAME = 1e-3  # largest norm of a difference, as a share of the embedding's: its cosine is then above 0.9999995


def off(got: Tensor, expected: Tensor) -> float:
    """How far embeddings (n, dim) lie from those expected, as a share of their length: the largest, or NaN."""
    return float(((got - expected).norm(dim=1) / expected.norm(dim=1)).max())


def keeps(got: Tensor, expected: Tensor) -> bool:
    """Whether the embeddings are the same; NaN counts as another number."""
    return off(got, expected) <= SAME
