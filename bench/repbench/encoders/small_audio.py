"""The small audio network of CPC (Oord et al. 2018, section 3.1): strided convolutions, then a GRU over their frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

import numpy as np
import torch
from torch import Tensor, nn

from repbench.encoder import FrameGrid, Sound, Tower
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.frames import frames_tower
from repbench.errors import UnknownNameError

KERNELS, STRIDES, PADDINGS = (10, 8, 4, 4, 4), (5, 4, 2, 2, 2), (3, 2, 1, 1, 1)
HOP = 160  # samples a frame: 20 ms at 8 kHz
NAME = "small:cpc"
LAYERS = ("z", "c")
WORDS = {"z": "frames of the convolutions", "c": "contexts"}


@dataclass(frozen=True, kw_only=True)
class Window:
    """A sound as float32 (1 + samples,): how many samples are real, then the first of them at `rate`, then zeros."""

    rate: int = 8000
    samples: int = 20480

    def __call__(self, sound: Sound) -> Tensor:
        """The window from the sound's beginning."""
        wave = self.wave(sound)[: self.samples]
        padded = np.zeros(1 + self.samples, dtype=np.float32)
        padded[0], padded[1 : 1 + len(wave)] = len(wave), wave
        return torch.from_numpy(padded)

    def wave(self, sound: Sound) -> np.ndarray:
        """All samples, float32 (n,), at `rate`, of standard deviation 1 (loudness says nothing about content)."""
        samples = sound.samples
        if sound.rate != self.rate:
            from scipy.signal import resample_poly  # takes a second to import

            shared = gcd(self.rate, sound.rate)
            samples = resample_poly(samples, self.rate // shared, sound.rate // shared)
        return np.asarray(samples / max(float(np.std(samples)), 1e-4), dtype=np.float32)

    @property
    def words(self) -> str:
        """The preparation in words."""
        return f"first {self.samples / self.rate:.2f} s at {self.rate} Hz, deviation 1, zeros behind"


class ChannelNorm(nn.Module):
    """Normalises each frame over its channels: unlike a batch norm it carries nothing from one frame to another."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (n, channels, t)."""
        normed: Tensor = self.norm(frames.transpose(1, 2)).transpose(1, 2)
        return normed


class SmallCPC(nn.Module):
    """Waves (n, samples) to frames z (n, t, channels), each 160 samples long, and contexts c (n, t, width)."""

    def __init__(self, channels: int = 96, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place, (kernel, stride, padding) in enumerate(zip(KERNELS, STRIDES, PADDINGS, strict=True)):
            layers += [nn.Conv1d(1 if place == 0 else channels, channels, kernel, stride, padding), ChannelNorm(channels)]
            layers += [nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        self.gru = nn.GRU(channels, width, batch_first=True)

    def frames(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Frames z (n, t, channels) and contexts c (n, t, width)."""
        z = self.convolutions(waves.unsqueeze(1)).transpose(1, 2)
        return z, self.gru(z)[0]

    def forward(self, windows: Tensor) -> Tensor:
        """Features (n, 2 · width) of `Window`s: mean and deviation of the contexts over the frames that are real."""
        return over_time(self.frames(windows[:, 1:])[1], windows)


class Frames(nn.Module):
    """The frames z or the contexts c of a `SmallCPC`, from `Window`s: (n, t, width)."""

    def __init__(self, network: SmallCPC, layer: str) -> None:
        super().__init__()
        self.network, self.place = network, LAYERS.index(layer)

    def forward(self, windows: Tensor) -> Tensor:
        """Frames (n, t, width), each 160 samples long."""
        found: Tensor = self.network.frames(windows[:, 1:])[self.place]
        return found


class OverTime(nn.Module):
    """Mean and deviation over time of `Frames`: (n, 2 · width)."""

    def __init__(self, frames: Frames) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, windows: Tensor) -> Tensor:
        """Features (n, 2 · width) of `Window`s."""
        return over_time(self.frames(windows), windows)


def over_time(frames: Tensor, windows: Tensor) -> Tensor:
    """Mean and deviation (n, 2 · width) of frames (n, t, width) over those that are real."""
    count = windows[:, 0].div(HOP).floor().clamp(min=1)
    real = (torch.arange(frames.shape[1], device=windows.device) < count[:, None]).unsqueeze(2).to(frames.dtype)
    mean = (frames * real).sum(1) / real.sum(1)
    spread = ((frames - mean[:, None]).square() * real).sum(1) / real.sum(1)
    return torch.cat([mean, (spread + 1e-8).sqrt()], 1)


def cpc_tower(network: SmallCPC, window: Window, layer: str = "c") -> Tower:
    """The audio tower of a network: contexts c, or frames z of the convolutions; one vector a sound, or at moments of it."""
    frames, what = Frames(network, layer), WORDS[layer]

    def at_moments(grid: FrameGrid) -> Tower:
        long = replace(window, samples=round(grid.seconds * window.rate))
        period = HOP / window.rate
        return frames_tower(
            frames, long, grid, first=period / 2, period=period, preprocessing=long.words, features=what, architecture=NAME
        )

    pooled = make_tower(
        network if layer == "c" else OverTime(frames),
        window,
        preprocessing=window.words,
        features=f"{what}, mean and deviation over time",
        architecture=NAME,
        example=Sound(samples=np.sin(np.arange(8000, dtype=np.float32)), rate=8000),
    )
    return replace(pooled, frames=at_moments)


def check_layer(layer: str) -> None:
    """Raise UnknownNameError unless a CPC network has a layer of that name."""
    if layer not in LAYERS:
        raise UnknownNameError("layer", layer, LAYERS, "z are the frames of the convolutions, c the contexts of the GRU.")
