"""Audio towers of models of transformers that read raw 16 kHz waves: wav2vec 2.0, HuBERT, WavLM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor, nn
from transformers import AutoFeatureExtractor

from repbench.encoder import FrameGrid, Sound, Tower
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.frames import frames_tower
from repbench.encoders.spec import Spec
from repbench.encoders.transformers_loading import Loaded, fetch_part, whole_number
from repbench.errors import UnknownNameError, UsageError

OPTIONS = ("layer", "pool", "seconds")
POOLS = ("avg", "max")
SECONDS = 5.0
MIDDLE, BEGINNING = "middle", "first"  # which part of a longer sound is heard


def tower(loaded: Loaded, spec: Spec) -> Tower:
    """The audio tower: frames of the last (or of `layer`'s) hidden state, pooled over those that carry sound."""
    spec.only(*OPTIONS)
    pool = pool_of(spec)
    extractor = fetch_part(loaded, spec, AutoFeatureExtractor.from_pretrained)
    prepare = Wave(rate=int(extractor.sampling_rate), seconds=_seconds(spec), normalise=bool(extractor.do_normalize))
    layer = None if "layer" not in spec.options else layer_of(loaded, spec.options["layer"])
    masked = getattr(loaded.config, "feat_extract_norm", "layer") == "layer"
    place = "last hidden state" if layer is None else f"hidden state {layer}"
    frames = Frames(loaded.model, layer, masked)
    pooled = make_tower(
        Pooled(frames, pool),
        prepare,
        preprocessing=prepare.words,
        features=f"{place}, {pool} over the frames with sound",
        architecture=loaded.architecture,
        example=Sound(samples=np.linspace(-0.5, 0.5, prepare.length, dtype=np.float32), rate=prepare.rate),
    )
    reach, step = field_and_stride(loaded.config.conv_kernel, loaded.config.conv_stride)

    def at_moments(grid: FrameGrid) -> Tower:
        whole = replace(prepare, seconds=grid.seconds + reach / prepare.rate, part=BEGINNING)
        return frames_tower(
            frames,
            whole,
            grid,
            first=reach / 2 / prepare.rate,
            period=step / prepare.rate,
            preprocessing=whole.words,
            features=place,
            architecture=loaded.architecture,
        )

    return replace(pooled, frames=at_moments)


def field_and_stride(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """How many samples a frame of stacked convolutions sees, and how many lie between two frames."""
    reach, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        reach += (kernel - 1) * step
        step *= stride
    return reach, step


@dataclass(frozen=True, kw_only=True)
class Wave:
    """A picklable preparation of sounds: (2, length) samples and mask.

    A sound is resampled (polyphase), cut to its middle (or first) `seconds` or filled up with silence at its end, and its true
    samples are brought to zero mean and unit variance, as the extractors of wav2vec 2.0 do.
    """

    rate: int
    seconds: float
    normalise: bool
    part: str = MIDDLE

    @property
    def length(self) -> int:
        """Samples of every input."""
        return round(self.rate * self.seconds)

    @property
    def words(self) -> str:
        """The preparation in words, for the record and the fingerprint."""
        scaled = ", zero mean and unit variance per clip" if self.normalise else ""
        return f"resample to {self.rate} Hz, {self.part} {self.seconds:g} s or padded at the end{scaled}"

    def __call__(self, sound: Sound) -> Tensor:
        """The network's input for one sound."""
        samples = resampled(sound, self.rate)
        start = max(0, (len(samples) - self.length) // 2) if self.part == MIDDLE else 0
        samples = samples[start : start + self.length]
        if self.normalise and len(samples):
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        filled = torch.zeros(2, self.length)
        filled[0, : len(samples)] = torch.from_numpy(samples)
        filled[1, : len(samples)] = 1
        return filled


def resampled(sound: Sound, rate: int) -> np.ndarray:
    """The samples of a sound at another rate (polyphase), float32 (n,)."""
    samples = np.asarray(sound.samples, np.float32)
    if sound.rate == rate:
        return samples
    common = math.gcd(sound.rate, rate)
    found: np.ndarray = resample_poly(samples, rate // common, sound.rate // common).astype(np.float32)
    return found


class Frames(nn.Module):
    """The frames (n, t, width) of a speech model."""

    def __init__(self, model: nn.Module, layer: int | None, masked: bool) -> None:
        super().__init__()
        self.model = model
        self.layer = layer
        self.masked = masked  # models with group normalisation were trained on silence as padding, without a mask

    def forward(self, inputs: Tensor) -> Tensor:
        """Frames of prepared sounds."""
        model: Any = self.model
        arguments = {"attention_mask": inputs[:, 1].long()} if self.masked else {}
        output = model(inputs[:, 0], output_hidden_states=self.layer is not None, **arguments)
        frames: Tensor = output.last_hidden_state if self.layer is None else output.hidden_states[self.layer]
        return frames

    def heard(self, inputs: Tensor) -> Tensor:
        """How many frames carry sound, int (n,)."""
        model: Any = self.model
        counts: Tensor = model._get_feat_extract_output_lengths(inputs[:, 1].long().sum(1))
        return counts


class Pooled(nn.Module):
    """Embeddings (n, width): the frames of a model, pooled over those that carry sound."""

    def __init__(self, frames: Any, pool: str) -> None:
        super().__init__()
        self.frames = frames
        self.pool = pool

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        frames: Tensor = self.frames(inputs)
        counts = self.frames.heard(inputs).clamp(1, frames.shape[1])
        heard = (torch.arange(frames.shape[1], device=frames.device) < counts[:, None])[:, :, None]
        if self.pool == "max":
            return frames.masked_fill(~heard, -torch.inf).amax(1)
        average: Tensor = frames.masked_fill(~heard, 0).sum(1) / counts[:, None]
        return average


def pool_of(spec: Spec) -> str:
    """The pooling that a spec names. Raises UnknownNameError."""
    pool = spec.options.get("pool", "avg")
    if pool not in POOLS:
        raise UnknownNameError("pooling", pool, POOLS)
    return pool


def _seconds(spec: Spec) -> float:
    text = spec.options.get("seconds", str(SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 600:
        raise UsageError(f"seconds={text}: write a length between 0.1 and 600, for example seconds=5.")
    return seconds


def layer_of(loaded: Loaded, text: str) -> int:
    """The hidden state that an option names. Raises UsageError."""
    layer, count = whole_number("layer", text), int(loaded.config.num_hidden_layers)
    if not -count - 1 <= layer <= count:
        raise UsageError(f"layer={text}: the hidden states are numbered 0 (the input of the first block) to {count}.")
    return layer
