"""CPC for sounds: contexts tell the frames that follow from other frames (Oord et al. 2018, arXiv 1807.03748, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from repbench.encoders.architectures import seeded
from repbench.encoders.small_audio import HOP, SmallCPC, Window
from repbench.errors import UsageError
from repbench.trainers.batches import Batch, Example
from repbench.trainers.cpc import Predictions
from repbench.trainers.method import Method, Parts, TrainedTower
from repbench.trainers.settings import Defaults

HELP = "sounds: a GRU's contexts tell the frames that follow from other frames (InfoNCE, a W_k for each step)"
DEFAULTS = Defaults(arch="small:cpc", epochs=60, batch_size=16, lr=1e-3, weight_decay=0.0)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`steps` ahead that are predicted (12 in the paper), `frames` of a training window (128 in the paper), `channels` of the
    convolutions (512) and `width` of the GRU (256)."""

    steps: int = 12
    frames: int = 40
    channels: int = 96
    width: int = 128


class CPCAudio(Method):
    """Convolutions and GRU, and a linear prediction for each step."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        if parts.modality != "audio":
            raise UsageError(f"cpc-audio trains on sounds; the column {parts.medium!r} holds {parts.modality}.")
        if parts.settings.arch != DEFAULTS.arch:
            raise UsageError(f"cpc-audio has one architecture, {DEFAULTS.arch}; its widths are --set channels= and width=.")
        if not 0 < options.steps < options.frames:
            raise UsageError(f"steps={options.steps} do not fit into windows of frames={options.frames}.")
        with seeded(parts.settings.seed):
            self.network = SmallCPC(options.channels, options.width)
        self.predictions = Predictions(options.width, options.channels, options.steps)
        self.sounds, self.window, self.options = parts.decoded, Window(), options

    def example(self, place: int) -> Example:
        """A window from a random place of one sound; a shorter sound is followed by zeros."""
        wave = self.window.wave(self.sounds[place])
        length = self.options.frames * HOP
        start = int(torch.randint(max(1, len(wave) - length + 1), ()))
        cut = wave[start : start + length]
        return {"wave": torch.from_numpy(np.pad(cut, (0, length - len(cut))))}

    def forward(self, batch: Batch) -> Tensor:
        """InfoNCE, the mean over steps; negatives are frames of the same and of other sounds of all processes."""
        z, c = self.network.frames(batch["wave"])
        loss: Tensor = self.predictions(c, z)
        return loss

    def towers(self) -> Mapping[str, TrainedTower]:
        """The audio network: mean and deviation of its contexts over time."""
        facts = {
            "architecture": DEFAULTS.arch,
            "widths": [self.options.channels, self.options.width],
            "preprocess": asdict(self.window),
            "head": None,
            "embedding": "encoder",
        }
        return {"audio": TrainedTower(network=self.network, head=None, facts=facts)}


METHOD = CPCAudio
