"""What a protocol is given that asks for more than embeddings: a network that it may have trained, by a recipe."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repbench.embeddings.embedded import TestSplit, TuningSplit


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run of the whole network with a linear classifier behind it.

    SGD with Nesterov momentum; the rate falls along half a cosine to 0. `weight_decay` is that of torch's SGD: a step takes
    off rate x weight_decay of every weight, but of no bias and no norm. `smallest` is the least share of the area that a
    random crop keeps; `flip` the chance of a mirror image.
    """

    steps: int
    batch_size: int
    rate: float
    weight_decay: float
    momentum: float
    smallest: float
    flip: float


class Trainable(typing.Protocol):
    """A network to train. Every call begins from the encoder's own weights; equal calls give equal scores.

    The splits that belong to it hold, in place of embeddings, the numbers of their items, int64 (n, 1).
    """

    def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
        """Class scores float32 (n, classes) of the items of `ask`, from the network that was trained on the items of `on`.

        Raises DivergedError when the loss does not stay finite.
        """
        ...
