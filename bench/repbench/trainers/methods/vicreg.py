"""VICReg: views agree, dimensions keep their variance and are decorrelated (Bardes et al. 2022, arXiv 2105.04906)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repbench.trainers.batches import Batch
from repbench.trainers.correlation import off_diagonal
from repbench.trainers.method import Parts, full_precision
from repbench.trainers.settings import Defaults
from repbench.trainers.two_views import TwoViews, ViewOptions

HELP = "views agree, each dimension keeps its variance, dimensions are decorrelated"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3)
SMALLEST_VARIANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Options(ViewOptions):
    """Weights of the three terms: `invariance`, `variance`, `covariance`; `head` is the expander (8192-8192-8192 at scale)."""

    head: str = "512-512-512"
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0


@full_precision
def vicreg_terms(first: Tensor, second: Tensor) -> Tensor:
    """The terms (invariance, variance, covariance) of embeddings (n, d), as in the authors' code (equations 1 to 4 and 6):

    s = mean of (x - y)²; v = ½ Σ_views mean_j max(0, 1 - √(Var z_j + 1e-4)); c = Σ_views Σ_{i≠j} Cov(z)_ij² / d.
    Variances and covariances divide by n - 1.
    """
    invariance = functional.mse_loss(first, second)
    spread = covered = torch.zeros((), device=first.device)
    for view in (first, second):
        deviation = torch.sqrt(view.var(0) + SMALLEST_VARIANCE)
        spread = spread + functional.relu(1 - deviation).mean() / 2
        covered = covered + off_diagonal(torch.cov(view.T)).square().sum() / view.shape[1]
    return torch.stack([invariance, spread, covered])


class VICReg(TwoViews):
    """An encoder and an expander."""

    weights: Tensor

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        weights = torch.tensor([options.invariance, options.variance, options.covariance])
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """The weighted sum of the terms, over the batches of all processes."""
        return self.weights @ vicreg_terms(*self.embedded(batch))


METHOD = VICReg
