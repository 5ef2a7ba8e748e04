"""Audio towers of models of transformers that read raw 16 kHz waves: wav2vec 2.0, HuBERT, WavLM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor, nn
from transformers import AutoFeatureExtractor

from repbench.encoder import Sound, Tower
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.spec import Spec
from repbench.encoders.transformers_loading import Loaded, fetch_part, whole_number
from repbench.errors import UnknownNameError, UsageError

OPTIONS = ("layer", "pool", "seconds")
POOLS = ("avg", "max")
SECONDS = 5.0


def tower(loaded: Loaded, spec: Spec) -> Tower:
    """The audio tower: frames of the last (or of `layer`'s) hidden state, pooled over those that carry sound."""
    spec.only(*OPTIONS)
    pool = spec.options.get("pool", "avg")
    if pool not in POOLS:
        raise UnknownNameError("pooling", pool, POOLS)
    extractor = fetch_part(spec, AutoFeatureExtractor.from_pretrained)
    prepare = Wave(rate=int(extractor.sampling_rate), seconds=_seconds(spec), normalise=bool(extractor.do_normalize))
    layer = None if "layer" not in spec.options else _layer(loaded, spec.options["layer"])
    masked = getattr(loaded.config, "feat_extract_norm", "layer") == "layer"
    place = "last hidden state" if layer is None else f"hidden state {layer}"
    return make_tower(
        Frames(loaded.model, layer, pool, masked),
        prepare,
        preprocessing=prepare.words,
        features=f"{place}, {pool} over the frames with sound",
        architecture=loaded.architecture,
        example=Sound(samples=np.linspace(-0.5, 0.5, prepare.length, dtype=np.float32), rate=prepare.rate),
    )


@dataclass(frozen=True, kw_only=True)
class Wave:
    """A picklable preparation of sounds: (2, length) samples and mask.

    A sound is resampled (polyphase), cut to its middle `seconds` or filled up with silence at its end, and its true samples are
    brought to zero mean and unit variance, as the extractors of wav2vec 2.0 do.
    """

    rate: int
    seconds: float
    normalise: bool

    @property
    def length(self) -> int:
        """Samples of every input."""
        return round(self.rate * self.seconds)

    @property
    def words(self) -> str:
        """The preparation in words, for the record and the fingerprint."""
        scaled = ", zero mean and unit variance per clip" if self.normalise else ""
        return f"resample to {self.rate} Hz, middle {self.seconds:g} s or padded at the end{scaled}"

    def __call__(self, sound: Sound) -> Tensor:
        """The network's input for one sound."""
        samples = np.asarray(sound.samples, np.float32)
        if sound.rate != self.rate:
            common = math.gcd(sound.rate, self.rate)
            samples = resample_poly(samples, self.rate // common, sound.rate // common).astype(np.float32)
        start = max(0, (len(samples) - self.length) // 2)
        samples = samples[start : start + self.length]
        if self.normalise and len(samples):
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        filled = torch.zeros(2, self.length)
        filled[0, : len(samples)] = torch.from_numpy(samples)
        filled[1, : len(samples)] = 1
        return filled


class Frames(nn.Module):
    """A speech model whose frames are pooled over those that carry sound."""

    def __init__(self, model: nn.Module, layer: int | None, pool: str, masked: bool) -> None:
        super().__init__()
        self.model = model
        self.layer = layer
        self.pool = pool
        self.masked = masked  # models with group normalisation were trained on silence as padding, without a mask

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        model: Any = self.model
        waves, mask = inputs[:, 0], inputs[:, 1].long()
        arguments = {"attention_mask": mask} if self.masked else {}
        output = model(waves, output_hidden_states=self.layer is not None, **arguments)
        frames: Tensor = output.last_hidden_state if self.layer is None else output.hidden_states[self.layer]
        counts = model._get_feat_extract_output_lengths(mask.sum(1)).clamp(1, frames.shape[1])
        heard = (torch.arange(frames.shape[1], device=frames.device) < counts[:, None])[:, :, None]
        if self.pool == "max":
            return frames.masked_fill(~heard, -torch.inf).amax(1)
        average: Tensor = frames.masked_fill(~heard, 0).sum(1) / counts[:, None]
        return average


def _seconds(spec: Spec) -> float:
    text = spec.options.get("seconds", str(SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 600:
        raise UsageError(f"seconds={text}: write a length between 0.1 and 600, for example seconds=5.")
    return seconds


def _layer(loaded: Loaded, text: str) -> int:
    layer, count = whole_number("layer", text), int(loaded.config.num_hidden_layers)
    if not -count - 1 <= layer <= count:
        raise UsageError(f"layer={text}: the hidden states are numbered 0 (the input of the first block) to {count}.")
    return layer
