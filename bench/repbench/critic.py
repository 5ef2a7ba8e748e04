"""A trained critic on pairs of which the density ratio is known: train it, score fresh blocks, judge the scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbench.errors import EncoderError, UsageError
from repbench.measure.critic import Gaussians, Verdict, judge

Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]
Critic = Callable[[np.ndarray, np.ndarray], Any]


@dataclass(frozen=True, kw_only=True)
class CriticTest:
    """What is asked: correlated Gaussians, and `blocks` of fresh pairs of each of `sizes`."""

    dimensions: int = 20
    information: float = 4.0
    sizes: tuple[int, ...] = (16, 64, 256)
    blocks: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 2:
            raise UsageError(f"blocks of {self.sizes} pairs: expected sizes of 2 or more.")

    @property
    def pairs(self) -> Gaussians:
        """The distribution."""
        return Gaussians(dimensions=self.dimensions, information=self.information)


def run_critic(file: Path, function: str, test: CriticTest) -> list[Verdict]:
    """Train by the user's function and judge what it returns. Raises UsageError and EncoderError."""
    from repbench.encoders.sources.python import import_file

    module = import_file(file)
    train = getattr(module, function, None)
    if not callable(train):
        raise UsageError(f"{file} has no function {function!r}.")
    rng = np.random.default_rng([test.seed, 1])
    try:
        found = train(lambda n: _single(test.pairs.draw(n, rng)), test.dimensions)
    except Exception as error:  # whatever a user's training raises
        raise EncoderError(f"{file}:{function}: {type(error).__name__}: {error}") from error
    return judge_critic(found, test)


def judge_critic(found: Critic, test: CriticTest) -> list[Verdict]:
    """A verdict for each size. Raises UsageError where the critic gives no finite scores (n, n)."""
    rng = np.random.default_rng([test.seed, 2])
    verdicts = []
    for size in test.sizes:
        scores, truth = [], []
        for _ in range(test.blocks):
            x, y = test.pairs.draw(size, rng)
            scores.append(np.asarray(found(*_single((x, y))), dtype=np.float64))
            truth.append(test.pairs.log_ratio(x, y))
        verdicts.append(judge(scores, truth))
    return verdicts


def lines(verdicts: Sequence[Verdict], test: CriticTest) -> list[str]:
    """The verdicts as a table with a line that says how to read it."""
    from tabulate import tabulate

    rows = [
        (
            *(one.n, math.log(one.n), one.bound, one.optimum, f"{one.excess:.3f} ± {1.96 * one.error:.3f}"),
            *(one.correlation, one.slope, one.top_1, one.top_1_optimum),
        )
        for one in verdicts
    ]
    headers = ["N", "log N", "bound", "optimum", "excess", "correlation", "slope", "top-1", "its optimum"]
    return [
        f"true mutual information {test.information:g} nats in {test.dimensions} dimensions "
        f"(correlation {test.pairs.correlation:.4f}), {test.blocks} fresh blocks of each N",
        tabulate(rows, headers=headers, floatfmt=".3f"),
        "excess: optimum less bound, 0 for a perfect critic; slope: 1 where scores have the scale of the log ratio.",
    ]


def _single(pairs: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return pairs[0].astype(np.float32), pairs[1].astype(np.float32)
