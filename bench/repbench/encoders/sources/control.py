"""Controls: encoders with a known right answer, by which a benchmark shows that it can be believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from repbench.digests import digest_text
from repbench.encoder import Encoder, Sound, Tower
from repbench.encoders.load import LoadOptions
from repbench.encoders.mel import log_mel
from repbench.encoders.spec import Spec
from repbench.errors import UnknownNameError

HELP = "control:constant|random|pixels|nan   encoders with a known right answer, e.g. control:pixels"
CONSTANT_DIM, NOISE_DIM, PIXELS, MELS = 64, 128, 32, 40
VERSION = "2"  # raised when a control would give other embeddings


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UnknownNameError unless there is such a control; it has no options."""
    spec.only()
    if spec.target not in CONTROLS:
        raise UnknownNameError("control", spec.target, CONTROLS)


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The named control."""
    return Encoder(name=spec.name, towers=CONTROLS[spec.target](), kind="control")


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same vector for every item."""

    value: float

    def __call__(self, item: Any) -> Tensor:
        return torch.full((CONSTANT_DIM,), self.value)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard normal noise keyed by the content: the same item gives the same vector on every machine."""

    def __call__(self, item: Any) -> Tensor:
        generator = np.random.Generator(np.random.PCG64(int.from_bytes(_content_digest(item), "big")))
        return torch.from_numpy(generator.standard_normal(NOISE_DIM).astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The image itself, 32 x 32 RGB in [-1, 1], as one vector: a black image has a direction too."""

    def __call__(self, item: Any) -> Tensor:
        small = np.asarray(item.resize((PIXELS, PIXELS), resample=2), dtype=np.float32) / 127.5 - 1  # 2: bilinear, antialiased
        return torch.from_numpy(small.reshape(-1).copy())


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The sound itself: mean and standard deviation over time of its log-mel spectrogram."""

    def __call__(self, item: Sound) -> Tensor:
        frames = log_mel(item.samples, item.rate, MELS)
        return torch.from_numpy(np.concatenate([frames.mean(axis=0), frames.std(axis=0)]).astype(np.float32))


def _content_digest(item: Any) -> bytes:
    if isinstance(item, str):
        content = b"text" + item.encode()
    elif isinstance(item, Sound):
        content = f"audio{item.rate}".encode() + np.ascontiguousarray(item.samples, dtype=np.float32).tobytes()
    else:
        content = f"image{item.size}{item.mode}".encode() + item.tobytes()
    return hashlib.sha256(content).digest()


def _tower(prepare: Callable[[Any], Tensor], dim: int, words: str) -> Tower:
    return Tower(
        prepare=prepare,
        module=nn.Identity(),
        dim=dim,
        fingerprint=digest_text("control", VERSION, words),
        preprocessing="none",
        features=words,
    )


def _everywhere(prepare: Callable[[Any], Tensor], dim: int, words: str) -> dict[str, Tower]:
    return {modality: _tower(prepare, dim, words) for modality in ("image", "text", "audio")}


def _constant() -> dict[str, Tower]:
    return _everywhere(Constant(value=1.0), CONSTANT_DIM, "the same vector for everything")


def _nan() -> dict[str, Tower]:
    return _everywhere(Constant(value=float("nan")), CONSTANT_DIM, "NaN for everything")


def _random() -> dict[str, Tower]:
    return _everywhere(Noise(), NOISE_DIM, "standard normal noise keyed by content")


def _pixels() -> dict[str, Tower]:
    return {
        "image": _tower(Pixels(), 3 * PIXELS**2, f"RGB pixels in [-1, 1], {PIXELS} x {PIXELS}, bilinear"),
        "audio": _tower(Spectrum(), 2 * MELS, f"log-mel spectrogram, {MELS} bands, mean and deviation over time"),
    }


CONTROLS: dict[str, Callable[[], dict[str, Tower]]] = {
    "constant": _constant,
    "nan": _nan,
    "pixels": _pixels,
    "random": _random,
}
