"""The small audio network of CPC (Oord et al. 2018, section 3.1): strided convolutions, then a GRU over their frames."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from torch import Tensor, nn

from repbench.encoder import Sound

KERNELS, STRIDES, PADDINGS = (10, 8, 4, 4, 4), (5, 4, 2, 2, 2), (3, 2, 1, 1, 1)
HOP = 160  # samples a frame: 20 ms at 8 kHz


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
        count = windows[:, 0].div(HOP).floor().clamp(min=1)
        contexts = self.frames(windows[:, 1:])[1]
        real = (torch.arange(contexts.shape[1], device=windows.device) < count[:, None]).unsqueeze(2).to(contexts.dtype)
        mean = (contexts * real).sum(1) / real.sum(1)
        spread = ((contexts - mean[:, None]).square() * real).sum(1) / real.sum(1)
        return torch.cat([mean, (spread + 1e-8).sqrt()], 1)
