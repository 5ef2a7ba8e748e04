"""MAE with a learnt Lie group of poses: MAE's loss + contrastive Lie loss + ‖ĝ(z) - z^g‖² (Ibrahim et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from repbench.trainers.batches import Batch, Example
from repbench.trainers.lie import LieOptions, PosePairs
from repbench.trainers.method import Parts, scaled
from repbench.trainers.methods import mae
from repbench.trainers.seeds import uniform_of

HELP = "MAE, and a learnt Lie group that carries one pose of an instance to another"
DEFAULTS = mae.DEFAULTS


@dataclass(frozen=True, kw_only=True)
class Options(mae.Options, LieOptions):
    """Those of MAE, and those of the group; `pair_mask`: share of the patches that is hidden in the pairs of poses too."""

    pair_mask: float = 0.0


class LieMAE(mae.MAE):
    """MAE's networks, and the operator on a linear map of the feature."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        mae.check_share("pair_mask", options.pair_mask, self.places.shape[1])
        self.pair_mask = options.pair_mask
        self.poses = PosePairs(parts.split, self.images, self.encoder, options)

    def example(self, place: int) -> Example:
        """MAE's views, and the pair of poses."""
        return {**super().example(place), **self.poses.example(place)}

    def forward(self, batch: Batch) -> Tensor:
        """Both losses over the batches of all processes."""
        pairs = torch.cat([batch["here"], batch["there"]])
        here, there = self._seen(pairs, batch["seed"]).chunk(2)
        group: Tensor = self.poses(here, there, batch["instance"])
        return super().forward(batch) + group

    def _seen(self, pixels: Tensor, seed: Tensor) -> Tensor:
        """Features (2n, width) of the pairs; of what is not hidden, the mean over its patches."""
        if not self.pair_mask:
            return self.encoder.features(pixels)
        images = scaled(self.encoder.preprocess, pixels)
        noise = torch.cat([uniform_of(seed, self.places.shape[1], side) for side in ("here", "there")])
        stay, _ = mae.hidden_patches(noise.to(images.device), self.pair_mask)
        tokens = mae.encode_some(self.encoder.network, images, stay)
        return tokens[:, tokens.shape[1] - stay.shape[1] :].mean(1)


METHOD = LieMAE
