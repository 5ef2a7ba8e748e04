"""Causal3DIdent (von Kuegelgen et al. 2021): `trainset/images_C/NNNNN.png` and `trainset/raw_latents_C.npy`, seven classes C.

Latents (n, 10) in [-1, 1]: 0 to 2 the object's position, 3 to 5 its rotation, 6 the spotlight's position, 7 to 9 the hues of
object, spotlight and background. Validation is drawn from `trainset`, test from `testset`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repbench.datasets.factored.arrays import array
from repbench.datasets.factored.drawing import drawn
from repbench.datasets.items import FileItems
from repbench.datasets.layouts.listing import Listing

CLASSES = 7
FOLDERS = {"train": "trainset", "val": "trainset", "test": "testset"}
COLUMNS = (
    "position_x",
    "position_y",
    "position_z",
    "rotation_0",
    "rotation_1",
    "rotation_2",
    "spotlight_position",
    "object_hue",
    "spotlight_hue",
    "background_hue",
)


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The drawn rows of each split, all classes together."""
    found: dict[str, Listing] = {}
    for part in dict.fromkeys(FOLDERS[split] for split in sizes):
        own = {split: size for split, size in sizes.items() if FOLDERS[split] == part}
        found |= _part(folder / part, own)
    return {split: found[split] for split in sizes}


def class_names(folder: Path) -> tuple[str, ...]:
    """The classes by their number: the files name none."""
    return tuple(map(str, range(CLASSES)))


def _part(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    latents = [array(folder / f"raw_latents_{one}.npy", columns=len(COLUMNS)) for one in range(CLASSES)]
    names = [name for one, rows in enumerate(latents) for name in _names(one, len(rows))]
    label = np.repeat(np.arange(CLASSES), [len(rows) for rows in latents])
    values = np.concatenate(latents)
    found = {}
    for split, places in drawn(len(values), sizes, folder).items():
        own = [names[place] for place in places]
        columns = {name: values[places, at] for at, name in enumerate(COLUMNS)}
        items = FileItems("image", [folder / name for name in own])
        found[split] = Listing(ids=np.array(own), label=label[places], items=items, columns=columns)
    return found


def _names(one: int, count: int) -> list[str]:
    width = math.ceil(math.log10(count)) if count > 1 else 1  # 36,000 pictures are numbered by five digits, 3,600 by four
    return [f"images_{one}/{place:0{width}d}.png" for place in range(count)]
