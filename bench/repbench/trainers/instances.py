"""Which examples of a split show one thing: a column of equal values, and another example of the same value."""

from __future__ import annotations

import numpy as np
import torch

from repbench.datasets.dataset import Split
from repbench.errors import UsageError
from repbench.trainers.batches import column


class Instances:
    """The things of a split by the column `name`; `number` int (n,) says the thing of each example."""

    def __init__(self, split: Split, name: str, option: str) -> None:
        """Raises UsageError, in the words of the training `option`, for an unknown column and for a thing shown once only."""
        _, self.number = np.unique(column(split, name), return_inverse=True)
        self.places = [np.flatnonzero(self.number == value) for value in range(self.number.max() + 1)]
        if min(map(len, self.places)) < 2:
            raise UsageError(f"{option}={name}: an instance of {split.name!r} has one picture only; a pair needs two.")

    def other(self, place: int) -> int:
        """The place of another example of the same thing, drawn from torch's generator."""
        others = self.places[self.number[place]]
        others = others[others != place]
        return int(others[int(torch.randint(len(others), ()))])
