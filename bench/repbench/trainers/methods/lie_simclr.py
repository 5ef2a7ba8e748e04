"""SimCLR with a learnt Lie group of poses: SimCLR's loss + contrastive Lie loss + ‖ĝ(z) - z^g‖² (Ibrahim et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from repbench.trainers.batches import Batch, Example
from repbench.trainers.lie import LieOptions, PosePairs
from repbench.trainers.method import Parts
from repbench.trainers.methods import simclr

HELP = "SimCLR, and a learnt Lie group that carries one pose of an instance to another"
DEFAULTS = simclr.DEFAULTS


@dataclass(frozen=True, kw_only=True)
class Options(simclr.Options, LieOptions):
    """Those of SimCLR, and those of the group."""


class LieSimCLR(simclr.SimCLR):
    """SimCLR's networks, and the operator on a linear map of the feature."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__(parts, options)
        self.poses = PosePairs(parts.split, self.images, self.encoder, options)

    def example(self, place: int) -> Example:
        """SimCLR's views, and the pair of poses."""
        return {**super().example(place), **self.poses.example(place)}

    def forward(self, batch: Batch) -> Tensor:
        """Both losses over the batches of all processes."""
        here, there = self.encoder.both_features(batch["here"], batch["there"])
        group: Tensor = self.poses(here, there, batch["instance"])
        return super().forward(batch) + group


METHOD = LieSimCLR
