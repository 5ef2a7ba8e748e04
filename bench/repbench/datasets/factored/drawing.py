"""A fixed choice of rows where the authors define no split: the same on every machine, by seed and declared sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from repbench.errors import DataError

SEED = 0
BLOCK = 4096  # rows that are read at once


def drawn(count: int, sizes: Mapping[str, int], where: Path) -> dict[str, np.ndarray]:
    """Ascending places of each split, int64, disjoint, out of `count` rows (PCG64). Raises DataError if there are too few."""
    wanted = sum(sizes.values())
    if wanted > count:
        raise DataError(f"{where}: has {count} rows; the splits {', '.join(sizes)} are declared to take {wanted} of them.")
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(count)[:wanted]
    parts = np.split(order, np.cumsum(list(sizes.values()))[:-1])
    return {split: np.sort(part) for split, part in zip(sizes, parts, strict=True)}


def chosen_rows(blocks: Iterator[np.ndarray], places: np.ndarray) -> np.ndarray:
    """The rows at `places`, ascending, of an array that comes block by block."""
    kept, start = [], 0
    for block in blocks:
        inside = places[(places >= start) & (places < start + len(block))]
        kept.append(block[inside - start])
        start += len(block)
    return np.concatenate(kept)


def rows_by_split(
    count: int, sizes: Mapping[str, int], where: Path, blocks: Callable[[], Iterator[np.ndarray]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Split -> (places, rows) of one pass over an array of `count` rows that comes block by block."""
    places = drawn(count, sizes, where)
    every = np.sort(np.concatenate(list(places.values())))
    rows = chosen_rows(blocks(), every)
    return {split: (own, rows[np.searchsorted(every, own)]) for split, own in places.items()}
