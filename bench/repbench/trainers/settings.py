"""What a training run is told beside its method's own options."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from repbench.errors import UnknownNameError, UsageError

PRECISIONS = ("fp32", "bf16")
LEAST = {
    "epochs": 0,
    "steps": 0,
    "batch_size": 2,
    "accumulate": 1,
    "workers": 0,
    "warmup": 0,
    "save_every": 0,
    "lr": 0,
    "weight_decay": 0,
    "size": 1,
}
FREE = ("device", "workers", "save_every")  # a run may be resumed with others of these


def check_device(name: str) -> None:
    """Raises UsageError for a device that torch does not know or that is not here."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name}: no device of torch; write cpu, cuda, cuda:1 or mps.") from error
    here = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}.get(device.type, 1)
    if (device.index or 0) >= here:
        raise UsageError(f"--device {name}: torch {torch.__version__} sees {here or 'no'} such device here; try --device cpu.")


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a method's file recommends for 32 to 64 pixels on a CPU; what is meant for 224 pixels stands in docs/training.md."""

    arch: str = "small:resnet"
    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One run. `batch_size` items go through the network at once, over all processes; `accumulate` such batches are a step.

    `lr` is the highest learning rate, reached after `warmup` epochs, then a cosine to 0. `ema` is the decay of an average of
    the weights, which is what is then exported (0: none). `steps` above 0 end the run in place of `epochs`. `size` is the side
    of the images (None: the architecture's).
    """

    arch: str
    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    weight_decay: float
    accumulate: int = 1
    warmup: float = 1.0
    ema: float = 0.0
    steps: int = 0
    size: int | None = None
    seed: int = 0
    precision: str = "fp32"
    device: str = "cpu"
    workers: int = 0
    save_every: float = 30.0  # seconds between two saved states

    def __post_init__(self) -> None:
        for name, bound in LEAST.items():
            if (value := getattr(self, name)) is not None and not bound <= value < math.inf:
                raise UsageError(f"{name} is {value}; expected {bound} or more.")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema is {self.ema}; expected a decay from 0 (none) to below 1, for example 0.99.")
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        check_device(self.device)

    @property
    def facts(self) -> dict[str, Any]:
        """All that decides the weights: two runs of equal facts are one run."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}
