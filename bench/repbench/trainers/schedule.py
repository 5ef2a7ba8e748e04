"""Learning rates: a linear warm-up, then half a cosine to zero (Loshchilov and Hutter 2017; SimCLR, section 2.1)."""

from __future__ import annotations

import math


def learning_rate(step: int, *, total: int, warmup: int, highest: float) -> float:
    """The rate of step `step` in 0 .. total - 1. The last warm-up step has the highest rate; the end would have rate 0."""
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * 0.5 * (1 + math.cos(math.pi * progress_of(step, total=total, warmup=warmup)))


def progress_of(step: int, *, total: int, warmup: int = 0) -> float:
    """How far a run is after the warm-up, in [0, 1)."""
    return (step - warmup) / max(1, total - warmup)


def momentum(progress: float, start: float) -> float:
    """The decay of a teacher: from `start` to 1 along half a cosine (BYOL, section 3.3; DINO, section 3.1)."""
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2
