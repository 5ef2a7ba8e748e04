"""What an encoder is: towers that map raw items of one modality each to embeddings.

An encoder is never told which task it sits. It is a row of the leaderboard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repbench.digests import digest_json

if TYPE_CHECKING:
    import numpy as np
    import torch

MODALITIES = ("image", "text", "audio")


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One raw audio item: mono `samples`, float32 (n,) in [-1, 1], at `rate` samples a second."""

    samples: np.ndarray
    rate: int


@dataclass(frozen=True, kw_only=True)
class FrameGrid:
    """Moments of a sound: the centres of `count` frames, `hop` seconds apart, the first at hop / 2."""

    hop: float
    count: int

    @property
    def centres(self) -> tuple[float, ...]:
        """Seconds from the beginning of the sound."""
        return tuple((place + 0.5) * self.hop for place in range(self.count))

    @property
    def seconds(self) -> float:
        """How much of a sound the frames cover."""
        return self.hop * self.count

    @property
    def words(self) -> str:
        """The grid in words, for the record and the fingerprint."""
        return f"{self.count} frames every {1000 * self.hop:g} ms"


@dataclass(frozen=True, kw_only=True)
class Tower:
    """One modality of an encoder.

    `prepare` turns one raw item (a PIL image in mode RGB, a str, or a `Sound`) into one model input, a tensor; all inputs of
    a tower have one shape. It runs in loader workers, so it must be picklable. `module`, on the CPU and in evaluation
    mode, maps a batch (n, ...) of inputs to embeddings (n, dim), float. `fingerprint` digests weights, architecture, layer,
    pooling and preprocessing: equal fingerprint, equal embeddings. `frames` makes, for a grid of moments, the tower whose
    embeddings (n, count * width) are the features at those moments; None where there is one vector a sound and no more.
    """

    prepare: Callable[[Any], torch.Tensor]
    module: torch.nn.Module
    dim: int
    fingerprint: str
    preprocessing: str = ""  # in words, for the record: "resize 224 bicubic, centre crop 224, mean ..., std ..."
    features: str = ""  # in words: "layer4, average pooled, before the head"
    frames: Callable[[FrameGrid], Tower] | None = None  # of sounds: a tower that gives these moments, side by side in one row


@dataclass(frozen=True, kw_only=True)
class PairScorer:
    """Judges whether an image and a text belong together, where that is no dot product of embeddings.

    `prepare` turns raw items into inputs, by modality ("image", "text"), as a tower's does. `module`, on the CPU and in
    evaluation mode, maps a batch of inputs (images (n, ...), texts (n, ...)) to scores (n,), float; higher is a better match.
    """

    prepare: Mapping[str, Callable[[Any], torch.Tensor]]
    module: torch.nn.Module
    fingerprint: str
    words: str = ""  # what is scored: "log-odds of matching", "mean log-probability of the words"


@dataclass(frozen=True, kw_only=True)
class Logit:
    """What a contrastive model makes of the cosine of an image and a text: scale x cosine + bias.

    It is no part of an embedding, and moves no choice between classes; what depends on it are probabilities.
    """

    scale: float
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.bias)):
            raise ValueError(f"a logit of {self.scale} x cosine + {self.bias}; expected a scale above 0, and finite numbers.")

    @property
    def words(self) -> str:
        """The formula, with digits enough to tell float32 numbers apart."""
        return f"{self.scale:.9g} x cosine{f' {self.bias:+.9g}' if self.bias else ''}"


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What of a checkpoint reached the network: names of tensors, and the share of the backbone's that were filled."""

    filled: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]  # behind the prefix, without a place in the network and no head
    wrong_shape: tuple[str, ...]
    share_of_tensors: float  # of the backbone, in [0, 1]
    share_of_parameters: float
    prefix: str = ""  # what was stripped from the checkpoint's names
    container: str = ""  # where in the file the weights lay: "state_dict", "teacher", ...
    left_out: tuple[str, ...] = ()  # all else in that container: heads, queues, decoders, a second copy of the network


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A row of the leaderboard: a name and towers by modality ("image", "text", "audio").

    `scorers` judge an (image, text) pair where that is no dot product ("itm", "lm"). `kind` is "encoder" or "control".
    """

    name: str
    towers: Mapping[str, Tower]
    scorers: Mapping[str, PairScorer] = field(default_factory=dict)
    load_report: LoadReport | None = None
    kind: str = "encoder"
    logit: Logit | None = None  # of a model with two towers that was trained with one
    notes: Mapping[str, str] = field(default_factory=dict)  # provenance in words: package, version, licence of the weights

    @property
    def fingerprint(self) -> str:
        """Digest of all towers and scorers: equal fingerprint, equal results."""
        parts = {modality: tower.fingerprint for modality, tower in self.towers.items()}
        return digest_json(parts | {f"scorer {name}": scorer.fingerprint for name, scorer in self.scorers.items()})
