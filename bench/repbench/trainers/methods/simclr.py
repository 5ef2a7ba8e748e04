"""SimCLR: two views of an image agree, against all other images of the batch (Chen et al. 2020, arXiv 2002.05709)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repbench.trainers.augment import contrastive_views, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.distributed import gather
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.method import Method, Parts, TrainedTower, full_precision, images_of, widths_of
from repbench.trainers.settings import Defaults

HELP = "two views of an image agree, against all other images of the batch (NT-Xent)"
DEFAULTS = Defaults(epochs=20, batch_size=128, lr=2e-3)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`temperature` τ; `head` the widths behind the encoder; `smallest` the least share of the area that a crop keeps."""

    temperature: float = 0.5
    head: str = "256-128"
    smallest: float = 0.3
    strength: float = 0.5
    flip: float = 0.5


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


class SimCLR(Method):
    """An encoder and a projection head; the encoder's feature, before the head, is what is kept."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        self.options = options
        self.encoder = ImageEncoder(parts.settings, widths_of(options.head))
        self.images = images_of(parts)
        self.augment = contrastive_views(
            self.encoder.size, smallest=options.smallest, strength=options.strength, flip=options.flip
        )

    def example(self, place: int) -> Example:
        """Two random views of one image."""
        image = self.images[place]
        return {"first": pixels(self.augment(image)), "second": pixels(self.augment(image))}

    def forward(self, batch: Batch) -> Tensor:
        """NT-Xent over the batches of all processes."""
        first, second = self.encoder.views(batch["first"], batch["second"])
        return nt_xent(gather(first), gather(second), self.options.temperature)

    def towers(self) -> Mapping[str, TrainedTower]:
        """The image encoder."""
        return {"image": self.encoder.tower()}


METHOD = SimCLR
