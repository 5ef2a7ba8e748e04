"""How to run the forward passes: what a user may choose, checked."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repbench.errors import UsageError

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class ExtractOptions:
    """How to run the forward passes. None of it but `precision` may change a result."""

    device: str = "cpu"
    precision: str = "fp32"  # "fp32", or weights converted to "bf16" or "fp16"
    batch_size: int = 64
    workers: int = 0  # loader processes; 0 decodes in threads of this one
    seed: int = 0  # of random views
    on_bad_item: str = "fail"  # or "skip"
    item_timeout: float | None = None  # seconds after which a loader process that hangs on an item is ended

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}.")
        if self.batch_size < 1:
            raise UsageError(f"--batch-size is {self.batch_size}; expected at least 1.")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; expected 0 or more.")
        if self.workers < 0:
            raise UsageError(f"--workers is {self.workers}; expected at least 0.")
        if self.item_timeout is not None and not (self.item_timeout > 0 and self.workers):
            raise UsageError(
                f"--item-timeout is {self.item_timeout:g} with --workers {self.workers}; expected seconds above 0 and at least"
                " one loader process, for a thread that hangs cannot be ended."
            )
        if self.on_bad_item not in ("fail", "skip"):
            raise UsageError(f"--on-bad-item is {self.on_bad_item!r}; expected fail or skip.")


def check_device(device: str) -> None:
    """Raise UsageError if no tensor can be put on `device`."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"--device {device!r} cannot be used ({str(error).splitlines()[0].rstrip('. ')}). Write cpu, cuda, cuda:1 or mps."
        ) from error
