"""Towers for moments of sounds: a network's own frames, interpolated at the centres of a grid, side by side in one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from repbench.encoder import FrameGrid, Sound, Tower
from repbench.encoders.fingerprint import make_tower

VERSION = "1"  # raised when the same frames of a network would give others on a grid


class OnGrid(nn.Module):
    """The frames (n, t, width) of a network at the moments of a grid: (n, count * width).

    Frame i of the network is centred at `first` + i · `period` seconds; between two of them the features are interpolated
    linearly, so that no encoder is judged by a frame beside the one that was asked for. Outside, the nearest one counts.
    """

    def __init__(self, network: nn.Module, grid: FrameGrid, first: float, period: float) -> None:
        super().__init__()
        self.network = network
        self.places = [(centre - first) / period for centre in grid.centres]

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, count * width)."""
        frames: Tensor = self.network(inputs)
        place = torch.tensor(self.places, device=frames.device, dtype=torch.float64).clamp(0, frames.shape[1] - 1)
        before = place.floor().long()
        after = (before + 1).clamp(max=frames.shape[1] - 1)
        share = (place - before).to(frames.dtype)[None, :, None]
        return torch.lerp(frames[:, before], frames[:, after], share).flatten(1)


def frames_tower(
    network: nn.Module,
    prepare: Callable[[Any], Tensor],
    grid: FrameGrid,
    *,
    first: float,
    period: float,
    preprocessing: str,
    features: str,
    architecture: str,
) -> Tower:
    """The tower of a network whose frames (n, t, width) are centred every `period` seconds, the first at `first`."""
    words = f"{features}; {grid.words}, interpolated (version {VERSION})"
    return make_tower(
        OnGrid(network, grid, first, period),
        prepare,
        preprocessing=preprocessing,
        features=words,
        architecture=architecture,
        example=Sound(samples=np.sin(np.arange(8000, dtype=np.float32)), rate=8000),
    )
