"""BYOL: an online network predicts what a slow copy of itself says of another view (Grill et al. 2020, arXiv 2006.07733)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repbench.encoders.heads import mlp
from repbench.trainers.batches import Batch
from repbench.trainers.method import Parts, full_precision, widths_of
from repbench.trainers.schedule import momentum
from repbench.trainers.settings import Defaults
from repbench.trainers.teacher import follow, frozen_copy
from repbench.trainers.two_views import TwoViews, ViewOptions

HELP = "an online network predicts what a slow copy of itself says of another view; no negatives"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options(ViewOptions):
    """`momentum`: decay of the slow copy at the beginning (.996 at scale; 1 at the end); `predictor`: its hidden width."""

    momentum: float = 0.97
    predictor: int = 256


@full_precision
def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """‖q̄ - z̄‖² = 2 - 2 cos(q, z), the mean over pairs (n, d); the target passes no gradient on (equation 2)."""
    return 2 - 2 * functional.cosine_similarity(prediction, target.detach(), dim=1).mean()


class BYOL(TwoViews):
    """Encoder, projector and predictor, and the slow copy of encoder and projector."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        width = widths_of(options.head)[-1]
        self.predictor = mlp((width, options.predictor, width))
        self.target = frozen_copy(self.encoder)
        self.start = options.momentum

    def forward(self, batch: Batch) -> Tensor:
        """Each view predicts the other; data-parallel training takes the mean over processes."""
        predictions = self.predictor(self.encoder(torch.cat([batch["first"], batch["second"]])))
        with torch.no_grad():
            targets = self.target(torch.cat([batch["second"], batch["first"]]))
        return 2 * byol_loss(predictions, targets)  # the mean over both directions, twice: their sum (equation 2, symmetrised)

    def end_step(self, progress: float) -> None:
        """The slow copy follows."""
        follow(self.target, self.encoder, momentum(progress, self.start))


METHOD = BYOL
