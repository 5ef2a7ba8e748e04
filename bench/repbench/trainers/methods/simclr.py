"""SimCLR: two views of an image agree, against all other images of the batch (Chen et al. 2020, arXiv 2002.05709)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repbench.trainers.batches import Batch
from repbench.trainers.method import Parts, full_precision
from repbench.trainers.settings import Defaults
from repbench.trainers.two_views import TwoViews, ViewOptions

HELP = "two views of an image agree, against all other images of the batch (NT-Xent)"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options(ViewOptions):
    """`temperature` τ: .5 for small batches, .1 at 4,096 (section 5.1)."""

    temperature: float = 0.5


@full_precision
def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent of n pairs (n, d): the mean over all 2n views i, with partner j, of (equation 1, section 2.1)

    l(i, j) = -log( exp(cos(z_i, z_j) / τ) / Σ_{k ≠ i} exp(cos(z_i, z_k) / τ) ), 2n - 1 terms below.
    """
    z = functional.normalize(torch.cat([first, second]), dim=1)
    scores = z @ z.T / temperature
    scores.fill_diagonal_(-torch.inf)
    n = len(first)
    partner = torch.arange(2 * n, device=z.device).roll(n)
    return functional.cross_entropy(scores, partner)


class SimCLR(TwoViews):
    """An encoder and a projection head."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        self.temperature = options.temperature

    def forward(self, batch: Batch) -> Tensor:
        """NT-Xent over the batches of all processes."""
        return nt_xent(*self.embedded(batch), self.temperature)


METHOD = SimCLR
