"""Controls: encoders with a known right answer, by which a benchmark shows that it can be believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from repbench.digests import digest_text
from repbench.encoder import Encoder, FrameGrid, PairScorer, Sound, Tower
from repbench.encoders import mel
from repbench.encoders.frames import OnGrid
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec
from repbench.errors import UnknownNameError, UsageError

HELP = "control:constant|random|pixels[,size=16]|log-mel|mfcc|nan   encoders with a known right answer, e.g. control:pixels"
CONSTANT_DIM, NOISE_DIM, PIXELS, MELS = 64, 128, 32, 40
LARGEST = 256  # side of the image that is taken as a vector: 196,608 numbers
LOG_MEL, MFCC = "log-mel", "mfcc"
SPECTRA = {  # kind -> what it is, and how many numbers a frame has
    LOG_MEL: (f"log-mel spectrogram, {MELS} bands", MELS),
    MFCC: (f"{mel.CEPSTRA} mel-frequency cepstra with their slopes and second slopes", 3 * mel.CEPSTRA),
}
VERSION = "2"  # raised when a control would give other embeddings


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UnknownNameError unless there is such a control; UsageError for a bad size. Pixels have one, the others none."""
    spec.only(*(("size",) if spec.target == "pixels" else ()))
    if spec.target not in CONTROLS:
        raise UnknownNameError("control", spec.target, CONTROLS)
    _size(spec)


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The named control."""
    towers = _pixels(_size(spec)) if spec.target == "pixels" else CONTROLS[spec.target]()
    return Encoder(name=spec.name, towers=towers, scorers=_scorers(towers), kind="control")


class Agreement(nn.Module):
    """Scores (n,) of prepared pairs: the dot product of what the towers give."""

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """The same for a constant, noise for noise, NaN for NaN."""
        return (images * texts).sum(dim=1)


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
    """The image itself, size x size RGB in [-1, 1], as one vector: a black image has a direction too."""

    size: int = PIXELS

    def __call__(self, item: Any) -> Tensor:
        small = item.resize((self.size, self.size), resample=2)  # bilinear, antialiased
        values = np.asarray(small, dtype=np.float32) / 127.5 - 1
        return torch.from_numpy(values.reshape(-1).copy())


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """The sound itself: mean and standard deviation over time of its log-mel spectrogram, or of its cepstra."""

    kind: str = LOG_MEL

    def __call__(self, item: Sound) -> Tensor:
        frames = spectrum(item, self.kind)
        return torch.from_numpy(np.concatenate([frames.mean(axis=0), frames.std(axis=0)]).astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Moments:
    """A feature of a sound at the moments of a grid, side by side: its spectrum, one vector for all, or noise."""

    kind: str
    grid: FrameGrid

    def __call__(self, item: Sound) -> Tensor:
        if self.kind in SPECTRA:
            frames = torch.from_numpy(spectrum(item, self.kind).astype(np.float32))
            moments: Tensor = OnGrid(nn.Identity(), self.grid, mel.FIRST, mel.HOP)(frames[None])[0]
            return moments
        if self.kind == "noise":
            generator = np.random.Generator(np.random.PCG64(int.from_bytes(_content_digest(item), "big")))
            return torch.from_numpy(generator.standard_normal(self.grid.count * NOISE_DIM).astype(np.float32))
        return torch.full((self.grid.count * CONSTANT_DIM,), float(self.kind))


def spectrum(item: Sound, kind: str) -> np.ndarray:
    """Log-mel spectrogram (frames, 40) or cepstra (frames, 39) of a sound."""
    return mel.mfcc(item.samples, item.rate) if kind == MFCC else mel.log_mel(item.samples, item.rate, MELS)


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


def _scorers(towers: dict[str, Tower]) -> dict[str, PairScorer]:
    """Pair scorers of a control that has both towers: what is tested on them is the protocol."""
    if not {"image", "text"} <= set(towers):
        return {}
    prepare = {modality: towers[modality].prepare for modality in ("image", "text")}
    words = towers["image"].features
    return {
        kind: PairScorer(
            prepare=prepare, module=Agreement(), fingerprint=digest_text("control", VERSION, kind, words), words=words
        )
        for kind in ("itm", "lm")
    }


def _sounds(prepare: Callable[[Any], Tensor], dim: int, words: str, kind: str, width: int, what: str) -> Tower:
    """An audio tower, with its features at moments of a sound: `width` numbers each, which are `what`."""

    def frames(grid: FrameGrid) -> Tower:
        return _tower(Moments(kind=kind, grid=grid), grid.count * width, f"{what}, {grid.words}, interpolated")

    return replace(_tower(prepare, dim, words), frames=frames)


def _everywhere(prepare: Callable[[Any], Tensor], dim: int, words: str, kind: str) -> dict[str, Tower]:
    towers = {modality: _tower(prepare, dim, words) for modality in ("image", "text")}
    return {**towers, "audio": _sounds(prepare, dim, words, kind, dim, words)}


def _constant() -> dict[str, Tower]:
    return _everywhere(Constant(value=1.0), CONSTANT_DIM, "the same vector for everything", "1.0")


def _nan() -> dict[str, Tower]:
    return _everywhere(Constant(value=float("nan")), CONSTANT_DIM, "NaN for everything", "nan")


def _random() -> dict[str, Tower]:
    return _everywhere(Noise(), NOISE_DIM, "standard normal noise keyed by content", "noise")


def _spectral(kind: str) -> Tower:
    what, width = SPECTRA[kind]
    return _sounds(Spectrum(kind=kind), 2 * width, f"{what}, mean and deviation over time", kind, width, what)


def _size(spec: Spec) -> int:
    """The side of the image in pixels."""
    text = spec.options.get("size", str(PIXELS))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST):
        raise UsageError(f"encoder {spec.text!r}: size={text} is no side of an image; expected 1 to {LARGEST} pixels.")
    return int(text)


def _pixels(size: int = PIXELS) -> dict[str, Tower]:
    return {
        "image": _tower(Pixels(size=size), 3 * size**2, f"RGB pixels in [-1, 1], {size} x {size}, bilinear"),
        "audio": _spectral(LOG_MEL),
    }


CONTROLS: dict[str, Callable[[], dict[str, Tower]]] = {
    "constant": _constant,
    "log-mel": lambda: {"audio": _spectral(LOG_MEL)},
    "mfcc": lambda: {"audio": _spectral(MFCC)},
    "nan": _nan,
    "pixels": _pixels,
    "random": _random,
}
