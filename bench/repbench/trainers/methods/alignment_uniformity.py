"""Alignment and uniformity, minimised themselves (Wang and Isola 2020, arXiv 2005.10242)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repbench.trainers.batches import Batch
from repbench.trainers.method import Parts, full_precision
from repbench.trainers.settings import Defaults
from repbench.trainers.two_views import TwoViews, ViewOptions

HELP = "positive pairs lie close, all points spread over the sphere: the two properties as the loss"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options(ViewOptions):
    """Weights of `alignment` (.98 in the paper's STL-10 run) and `uniformity` (.96), and their exponents α and t."""

    alignment: float = 1.0
    uniformity: float = 1.0
    alpha: float = 2.0
    t: float = 2.0


@full_precision
def align(first: Tensor, second: Tensor, alpha: float = 2.0) -> Tensor:
    """E ‖x - y‖^α over positive pairs of unit vectors (n, d) (section 4.2)."""
    powers: Tensor = (first - second).norm(dim=1).pow(alpha)
    return powers.mean()


@full_precision
def uniform(x: Tensor, t: float = 2.0) -> Tensor:
    """log E exp(-t ‖x - y‖²) over the n (n - 1) / 2 distinct pairs of unit vectors (n, d) (section 4.2)."""
    potential: Tensor = torch.pdist(x).square().mul(-t).exp().mean().log()
    return potential


class AlignmentUniformity(TwoViews):
    """An encoder and a projection head, whose output is normalised."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        self.options = options

    def forward(self, batch: Batch) -> Tensor:
        """Weighted alignment of the pairs and mean uniformity of both views, over the batches of all processes."""
        first, second = (functional.normalize(z.float(), dim=1) for z in self.embedded(batch))
        spread = (uniform(first, self.options.t) + uniform(second, self.options.t)) / 2
        return self.options.alignment * align(first, second, self.options.alpha) + self.options.uniformity * spread


METHOD = AlignmentUniformity
