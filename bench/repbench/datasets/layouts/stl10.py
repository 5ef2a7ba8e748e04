"""STL-10: `stl10_binary`, files of bytes: 96 x 96 pixels, channel after channel, each column by column; labels from 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.items import PixelItems
from repbench.datasets.layouts.listing import Listing, lines_of
from repbench.errors import DataError


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train or test; the pixels stay on disk until they are asked for."""
    label = np.fromfile(_there(folder / f"{split}_y.bin"), dtype=np.uint8).astype(np.int64) - 1
    shape = (len(label), 3, 96, 96)
    path = _there(folder / f"{split}_X.bin")
    if path.stat().st_size != np.prod(shape):
        raise DataError(f"{path}: has {path.stat().st_size} bytes; {len(label)} labels ask for {np.prod(shape)}.")
    ids = [f"{split}/{place}" for place in range(len(label))]
    pixels = np.memmap(path, dtype=np.uint8, mode="r", shape=shape).transpose(0, 3, 2, 1)
    return Listing(ids=np.array(ids), label=label, items=PixelItems(ids, pixels))


def class_names(folder: Path) -> tuple[str, ...]:
    """Names in label order."""
    return tuple(lines_of(folder / "class_names.txt"))


def _there(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.")
    return path
