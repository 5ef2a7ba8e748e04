"""Barlow Twins: the cross-correlation of two views' embeddings becomes the identity (Zbontar et al. 2021, arXiv 2103.03230)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from repbench.trainers.batches import Batch
from repbench.trainers.correlation import cross_correlation, off_diagonal
from repbench.trainers.method import Parts, full_precision
from repbench.trainers.settings import Defaults
from repbench.trainers.two_views import TwoViews, ViewOptions

HELP = "the cross-correlation of two views' embeddings becomes the identity"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options(ViewOptions):
    """`redundancy` is λ (.0051 in the paper); `head` is the projector (8192-8192-8192 at scale)."""

    head: str = "512-512-512"
    redundancy: float = 5e-3


@full_precision
def barlow_loss(first: Tensor, second: Tensor, redundancy: float) -> Tensor:
    """Σ_i (1 - C_ii)² + λ Σ_{i≠j} C_ij², C the cross-correlation of embeddings (n, d) over the batch (equations 1 and 2)."""
    correlation = cross_correlation(first, second)
    agreement = (1 - correlation.diagonal()).square().sum()
    return agreement + redundancy * off_diagonal(correlation).square().sum()


class BarlowTwins(TwoViews):
    """An encoder and a projector."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        self.redundancy = options.redundancy

    def forward(self, batch: Batch) -> Tensor:
        """The loss over the batches of all processes."""
        return barlow_loss(*self.embedded(batch), self.redundancy)


METHOD = BarlowTwins
