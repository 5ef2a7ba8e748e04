"""Batches of a training run: which items, in which order, with which random views; all decided by seed, epoch and item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from repbench.datasets.dataset import Split
from repbench.datasets.items import Items
from repbench.errors import UsageError
from repbench.trainers.distributed import rank, world_size
from repbench.trainers.seeds import generator_of, seed_of

Batch = Mapping[str, Tensor]
Example = Mapping[str, Tensor]
KEPT = 2_000_000_000  # bytes of decoded items that are kept in memory


class Decoded:
    """The decoded items of one column; each is decoded once while they fit in memory."""

    def __init__(self, items: Items) -> None:
        self._items, self._kept, self._bytes = items, dict[int, Any](), 0

    def __len__(self) -> int:
        return len(self._items)

    def __deepcopy__(self, memo: Any) -> Decoded:
        return self  # an average of a method's weights needs no second copy of the data

    def __getitem__(self, place: int) -> Any:
        if place in self._kept:
            return self._kept[place]
        item = self._items.load(place)
        size = getattr(item, "size", None)
        self._bytes += 3 * size[0] * size[1] if isinstance(size, tuple) else 100_000
        if self._bytes < KEPT:
            self._kept[place] = item
        return item


class Examples(Dataset[Example]):
    """A method's examples: `make(place)` draws from torch's generator, which is seeded here by run, epoch and item."""

    def __init__(self, make: Callable[[int], Example], label: np.ndarray, seed: int) -> None:
        self.make, self.seed = make, seed
        self.label = torch.from_numpy(np.asarray(label))

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, key: tuple[int, int]) -> Example:  # type: ignore[override]
        epoch, place = key
        seed = seed_of(self.seed, "item", epoch, place)
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)  # what the transforms draw from
        try:
            example = self.make(place)
        finally:
            torch.default_generator.set_state(before)
        return {**example, "label": self.label[place], "seed": torch.tensor(seed)}


def epoch_order(count: int, epoch: int, seed: int) -> list[int]:
    """The places of an epoch's items, shuffled."""
    return torch.randperm(count, generator=generator_of(seed, "order", epoch)).tolist()


def fit_batch(count: int, batch_size: int) -> int:
    """The batch size, or all items where there are fewer. Raises UsageError when the processes cannot share it equally."""
    size = min(batch_size, count)
    world = world_size()
    if count < 2 or size < 2 * world:
        raise UsageError(f"{count} items in batches of {batch_size} are too few for {world} processes; two each are needed.")
    return size - size % world


def batches(
    examples: Examples, *, batch_size: int, an_epoch: int, start: int, stop: int, workers: int, pin: bool
) -> Iterator[Batch]:
    """Batches `start` to `stop` - 1 of a run, this process's share of each; what `an_epoch` batches leave over is dropped.

    The same numbers whatever the count of workers, and whether or not the run was stopped between two batches.
    """
    loader = DataLoader(
        examples,
        batch_sampler=_Order(examples, batch_size, an_epoch, start, stop),  # type: ignore[arg-type]  # any iterable of lists of keys
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # else it would draw from the run's
    )
    yield from loader


@dataclass(frozen=True)
class _Order:
    """The keys (epoch, place) of this process's items, batch by batch."""

    examples: Examples
    batch_size: int
    an_epoch: int
    start: int
    stop: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        count, size = len(self.examples), self.batch_size
        share = size // world_size()
        mine = slice(rank() * share, (rank() + 1) * share)
        order: list[int] = []
        for number in range(self.start, self.stop):
            epoch, place = divmod(number, self.an_epoch)
            if not order or place == 0:
                order = epoch_order(count, epoch, self.examples.seed)
            yield [(epoch, item) for item in order[place * size : (place + 1) * size][mine]]


def column(split: Split, name: str) -> np.ndarray:
    """A column of a split. Raises UsageError that names those that there are."""
    if name not in split.columns:
        raise UsageError(f"the split {split.name!r} has no column {name!r}; it has {', '.join(split.columns)}.")
    return split.columns[name]
