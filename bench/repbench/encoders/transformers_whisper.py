"""The audio tower of Whisper's encoder (Radford et al. 2022): log-mel of 30 seconds, a frame every 20 ms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoFeatureExtractor

from repbench.encoder import FrameGrid, Sound, Tower
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.frames import frames_tower
from repbench.encoders.spec import Spec
from repbench.encoders.transformers_audio import Pooled, layer_of, pool_of, resampled
from repbench.encoders.transformers_loading import Loaded, fetch_part

OPTIONS = ("layer", "pool")
STRIDE = 2  # columns of the spectrogram between two frames, by the encoder's second convolution


def tower(loaded: Loaded, spec: Spec) -> Tower:
    """The audio tower: frames of the encoder's last (or of `layer`'s) hidden state, pooled over those that carry sound.

    Column i of the spectrogram is centred at i hops, both convolutions are centred, so frame i lies at 2 i hops.
    """
    spec.only(*OPTIONS)
    pool = pool_of(spec)
    prepare = LogMel(extractor=fetch_part(loaded, spec, AutoFeatureExtractor.from_pretrained))
    layer = None if "layer" not in spec.options else layer_of(loaded, spec.options["layer"])
    place = "last hidden state" if layer is None else f"hidden state {layer}"
    frames = EncoderFrames(getattr(loaded.model, "encoder", loaded.model), layer)
    pooled = make_tower(
        Pooled(frames, pool),
        prepare,
        preprocessing=prepare.words,
        features=f"{place} of the encoder, {pool} over the frames with sound",
        architecture=loaded.architecture,
        example=Sound(samples=np.linspace(-0.5, 0.5, prepare.rate, dtype=np.float32), rate=prepare.rate),
    )

    def at_moments(grid: FrameGrid) -> Tower:
        return frames_tower(
            frames,
            prepare,
            grid,
            first=0.0,
            period=STRIDE * prepare.hop / prepare.rate,
            preprocessing=prepare.words,
            features=f"{place} of the encoder",
            architecture=loaded.architecture,
        )

    return replace(pooled, frames=at_moments)


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """A picklable preparation of sounds: (bands + 1, columns), Whisper's own spectrogram and which columns carry sound."""

    extractor: Any

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.extractor.sampling_rate)

    @property
    def hop(self) -> int:
        """Samples between two columns."""
        return int(self.extractor.hop_length)

    @property
    def words(self) -> str:
        """The preparation in words, for the record and the fingerprint."""
        facts = self.extractor
        return (
            f"resample to {self.rate} Hz, first {facts.chunk_length} s or padded at the end,"
            f" log-mel of {facts.feature_size} bands, {facts.n_fft} points, hop {facts.hop_length}, as Whisper"
        )

    def __call__(self, sound: Sound) -> Tensor:
        """The encoder's input for one sound, and a row of 1 and 0."""
        samples = resampled(sound, self.rate)[: self.extractor.n_samples]
        found = self.extractor(samples, sampling_rate=self.rate, return_tensors="pt").input_features[0]
        real = (torch.arange(found.shape[1]) * self.hop < len(samples)).to(found.dtype)
        return torch.cat([found, real[None]])


class EncoderFrames(nn.Module):
    """The frames (n, t, width) of an encoder of Whisper."""

    def __init__(self, encoder: nn.Module, layer: int | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        """Frames of prepared sounds."""
        encoder: Any = self.encoder
        output = encoder(inputs[:, :-1], output_hidden_states=self.layer is not None)
        frames: Tensor = output.last_hidden_state if self.layer is None else output.hidden_states[self.layer]
        return frames

    def heard(self, inputs: Tensor) -> Tensor:
        """How many frames carry sound, int (n,)."""
        return inputs[:, -1, ::STRIDE].sum(1).long()
