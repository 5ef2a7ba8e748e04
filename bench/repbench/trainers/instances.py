"""Which examples of a split show one thing: a column of equal values, and another example of the same value."""

from __future__ import annotations

import numpy as np
import torch

from repbench.datasets.dataset import Split
from repbench.digests import digest_text
from repbench.errors import UsageError
from repbench.trainers.batches import column


class Instances:
    """The things of a split by the column `name`; `number` int (n,) says the thing of each example. Others of a thing are
    drawn from `most` of its examples, the first by digest of their ids (0: all)."""

    def __init__(self, split: Split, name: str, option: str, *, most: int = 0) -> None:
        """Raises UsageError, in the words of the training `option`, for an unknown column and for a thing shown once only."""
        _, self.number = np.unique(column(split, name), return_inverse=True)
        self.places = [np.flatnonzero(self.number == value) for value in range(self.number.max() + 1)]
        if min(map(len, self.places)) < 2:
            raise UsageError(f"{option}={name}: an instance of {split.name!r} has one picture only; a pair needs two.")
        if most:
            order = np.argsort([digest_text(str(one)) for one in split.ids], kind="stable").argsort()
            self.places = [places[np.sort(order[places].argsort()[:most])] for places in self.places]
        self.drawn = np.zeros(len(split), dtype=bool)  # which examples can be another's other
        self.drawn[np.concatenate(self.places)] = True

    def other(self, place: int) -> int:
        """The place of another example of the same thing, drawn from torch's generator."""
        others = self.places[self.number[place]]
        others = others[others != place]
        return int(others[int(torch.randint(len(others), ()))])
