"""What a method is: how it views the data, its networks and its loss.

A file in `methods/` holds HELP (one line), DEFAULTS, a frozen dataclass `Options`, its loss as a plain function with the
equation's source, and one `Method` named by METHOD.
"""

from __future__ import annotations

import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec

import torch
from torch import Tensor, nn

from repbench.datasets.dataset import Split
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import UnknownNameError, UsageError
from repbench.trainers.batches import Batch, Decoded, Example
from repbench.trainers.settings import Defaults, TrainSettings

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the loop hands to a method: the training split, the architecture and the run's settings."""

    split: Split
    medium: str  # the column that is looked at
    modality: str
    settings: TrainSettings

    @property
    def decoded(self) -> Decoded:
        """The items of the medium."""
        return Decoded(self.split.media[self.medium])


@dataclass(frozen=True, kw_only=True)
class TrainedTower:
    """One modality of what a method has trained. `facts` is what `trained:FILE` needs to build `network` and `head` again."""

    network: nn.Module
    head: nn.Module | None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Method(nn.Module, ABC):
    """Networks and a loss. Built with a seeded generator; everything random in a step comes from torch's, seeded by step."""

    optimizer_options: Mapping[str, Any] = {}

    @abstractmethod
    def example(self, place: int) -> Example:
        """One training example: its random views as tensors, drawn with torch's generator; images are uint8 (size, size, 3)."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar; over the batches of all processes where items are compared with each other."""

    @abstractmethod
    def towers(self) -> Mapping[str, TrainedTower]:
        """What is exported, by modality."""

    def logit_scale(self) -> float | None:
        """What its loss multiplies the cosine of an image and a text by, which is written down; None where it has none."""
        return None

    def begin_step(self, progress: float) -> None:
        """Called before each step with how much of the run is done, in [0, 1)."""

    def end_step(self, progress: float) -> None:
        """Called after each optimiser step: where teachers follow."""


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """A loss computed in float32 also where the networks run in bf16: exponentials and covariances need its digits."""

    @functools.wraps(loss)
    def computed(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        device = tensors[0].device.type if tensors else "cpu"
        with torch.autocast(device, enabled=False):
            wide = [arg.float() if isinstance(arg, Tensor) and arg.dtype == torch.bfloat16 else arg for arg in args]
            return loss(*wide, **kwargs)  # type: ignore[arg-type]

    return computed


def method_names() -> list[str]:
    """The methods that there are: the files of the folder, as they are typed."""
    folder = Path(__file__).parent / "methods"
    return sorted(path.stem.replace("_", "-") for path in folder.glob("[a-z]*.py"))


@dataclass(frozen=True, kw_only=True)
class MethodFile:
    """What a file in `methods/` holds."""

    name: str
    make: Callable[[Parts, Any], Method]
    options: type
    defaults: Defaults


def find_method(name: str) -> MethodFile:
    """The method of that name. Raises UnknownNameError."""
    if name not in method_names():
        raise UnknownNameError("method", name, method_names())
    module = importlib.import_module(f"repbench.trainers.methods.{name.replace('-', '_')}")
    return MethodFile(name=name, make=module.METHOD, options=module.Options, defaults=module.DEFAULTS)


def images_of(parts: Parts) -> Decoded:
    """The decoded images of a split. Raises UsageError for data of another modality."""
    if parts.modality != "image":
        raise UsageError(f"this method trains on images; the column {parts.medium!r} holds {parts.modality}.")
    return parts.decoded


def scaled(preprocess: ImagePreprocess, pixels: Tensor) -> Tensor:
    """Inputs float32 (n, 3, size, size) from pixels uint8 (n, size, size, 3), on their device."""
    return preprocess.scale(pixels, channels_last=True)


def widths_of(text: str) -> tuple[int, ...]:
    """Layer widths from "2048-2048-512". Raises UsageError."""
    parts = text.split("-")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"{text!r} is no list of widths; write them like 512-512-128.")
    return tuple(int(part) for part in parts)
