"""VICReg with a learnt Lie group of poses: VICReg's loss + contrastive Lie loss + ‖ĝ(z) - z^g‖² (Ibrahim et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from repbench.trainers.batches import Batch, Example
from repbench.trainers.lie import LieOptions, PosePairs
from repbench.trainers.method import Parts
from repbench.trainers.methods import vicreg

HELP = "VICReg, and a learnt Lie group that carries one pose of an instance to another"
DEFAULTS = vicreg.DEFAULTS


@dataclass(frozen=True, kw_only=True)
class Options(vicreg.Options, LieOptions):
    """Those of VICReg, and those of the group."""


class LieVICReg(vicreg.VICReg):
    """VICReg's networks, and the operator on a linear map of the feature."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        self.poses = PosePairs(parts.split, self.images, self.encoder, options)

    def example(self, place: int) -> Example:
        """VICReg's views, and the pair of poses."""
        return {**super().example(place), **self.poses.example(place)}

    def forward(self, batch: Batch) -> Tensor:
        """Both losses over the batches of all processes."""
        here, there = self.encoder.both_features(batch["here"], batch["there"])
        group: Tensor = self.poses(here, there, batch["instance"])
        return super().forward(batch) + group


METHOD = LieVICReg
