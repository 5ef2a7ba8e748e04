"""What CPC for sounds and for images share: a linear prediction per step, and InfoNCE (Oord et al. 2018, arXiv 1807.03748)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.trainers.distributed import gather
from repbench.trainers.method import full_precision


@full_precision
def info_nce(scores: Tensor) -> Tensor:
    """InfoNCE from log f(x_j, c_i), (n, n), positives on the diagonal: the mean of -log( f_ii / Σ_j f_ij ) (equation 4).

    log n minus it is a lower bound of the mutual information of x and c, never above log n (equation 5).
    """
    return functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


class Predictions(nn.Module):
    """W_k for k = 1 .. steps: what is expected k steps ahead, f_k(x, c) = exp(zᵀ W_k c) (equation 3)."""

    def __init__(self, context: int, width: int, steps: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Linear(context, width, bias=False) for _ in range(steps))

    def forward(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """The mean InfoNCE over steps of contexts and frames (n, t, ...): other frames of the batch, of the same and of other
        sequences of all processes, are the negatives. Only contexts that have all their steps ahead of them predict."""
        contexts, targets = gather(contexts), gather(targets)
        steps = len(self.steps)
        seen = contexts[:, :-steps].flatten(0, 1)
        last = contexts.shape[1] - steps
        losses = [
            info_nce(weight(seen) @ targets[:, k : k + last].flatten(0, 1).T) for k, weight in enumerate(self.steps, start=1)
        ]
        return torch.stack(losses).mean()
