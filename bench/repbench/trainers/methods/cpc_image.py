"""CPC for images: what stands above tells the patches below from others (Oord et al. 2018, arXiv 1807.03748, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from repbench.encoders.small import PatchNet
from repbench.errors import UsageError
from repbench.trainers.augment import Views, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.cpc import Predictions
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.method import Method, Parts, TrainedTower, images_of, scaled
from repbench.trainers.settings import Defaults

HELP = "images: rows of patches above tell the patches below from others (InfoNCE on a grid of overlapping patches)"
DEFAULTS = Defaults(arch="small:patches", epochs=20, batch_size=32, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`rows` below that are predicted (5 of 7 in the paper); `width` of the context; the share of `grey` images, `strength` of
    the colour jitter and smallest crop: without them, colours and edges of patches give the answer away."""

    rows: int = 3
    width: int = 128
    smallest: float = 0.5
    strength: float = 0.5
    grey: float = 0.3


class CPCImage(Method):
    """A network of overlapping patches, a GRU down each column of the grid, and a linear prediction for each row ahead."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        self.encoder = ImageEncoder(parts.settings)
        if not isinstance(self.encoder.network, PatchNet):
            raise UsageError(f"cpc-image needs the grid of patches of --arch {DEFAULTS.arch}, not {parts.settings.arch}.")
        self.patches: PatchNet = self.encoder.network
        with torch.no_grad():
            down = self.patches.grid(torch.zeros(1, 3, self.encoder.size, self.encoder.size)).shape[1]
        if options.rows >= down:
            raise UsageError(f"rows={options.rows} below are to be predicted of {down} rows of patches: at most {down - 1}.")
        self.context = nn.GRU(self.encoder.width, options.width, batch_first=True)
        self.predictions = Predictions(options.width, self.encoder.width, options.rows)
        self.images = images_of(parts)
        self.augment = Views(size=self.encoder.size, smallest=options.smallest, strength=options.strength, grey=options.grey)

    def example(self, place: int) -> Example:
        """One random view."""
        return {"view": pixels(self.augment(self.images[place]))}

    def forward(self, batch: Batch) -> Tensor:
        """InfoNCE, the mean over the rows ahead; negatives are patches of the same and of other images of all processes."""
        grid = self.patches.grid(scaled(self.encoder.preprocess, batch["view"]))  # (n, rows, columns, width)
        down = grid.transpose(1, 2).flatten(0, 1)
        loss: Tensor = self.predictions(self.context(down)[0], down)
        return loss

    def towers(self) -> Mapping[str, TrainedTower]:
        """The network of patches, averaged over the grid."""
        return {"image": self.encoder.tower()}


METHOD = CPCImage
