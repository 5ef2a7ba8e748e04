"""3D Shapes (Burgess & Kim 2018): `3dshapes.h5` with 480,000 pictures of a shape in a room, and six factors.

labels (n, 6), float64: floor hue, wall hue, object hue (0 to .9 of a turn), scale, shape (0 to 3), orientation (-30 to 30).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.factored.drawing import BLOCK, rows_by_split
from repbench.datasets.items import PixelItems
from repbench.datasets.layouts.listing import Listing
from repbench.errors import DataError

FILE = "3dshapes.h5"
COLUMNS = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")  # in the order of the file


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The drawn rows of each split; hues in degrees of the colour circle, the others as published."""
    path = folder / FILE
    with _opened(path) as file:
        for name in ("images", "labels"):
            if name not in file:
                raise DataError(f"{path}: holds no dataset {name!r}; there are {', '.join(sorted(file)) or 'none'}.")
        labels = np.asarray(file["labels"][:])
        if labels.shape != (len(file["images"]), len(COLUMNS)):
            raise DataError(f"{path}: labels have shape {labels.shape}; expected ({len(file['images'])}, {len(COLUMNS)}).")
        found = rows_by_split(len(labels), sizes, path, lambda: _blocks(file["images"]))
    return {split: _listing(places, rows, labels[places]) for split, (places, rows) in found.items()}


def class_names(folder: Path) -> tuple[str, ...]:
    """The shapes by their number: the file names none."""
    return ("0", "1", "2", "3")


def _opened(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path}: HDF5 files are read by h5py, which is not installed: pip install 'repbench[h5]'.") from None
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an HDF5 file ({error}).") from error


def _blocks(images: Any) -> Iterator[np.ndarray]:
    for start in range(0, len(images), BLOCK):
        yield np.asarray(images[start : start + BLOCK])


def _listing(places: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> Listing:
    ids = [f"image {place}" for place in places]
    columns = {name: labels[:, at] * (360 if "hue" in name else 1) for at, name in enumerate(COLUMNS) if name != "shape"}
    label = labels[:, COLUMNS.index("shape")].astype(np.int64)
    return Listing(ids=np.array(ids), label=label, items=PixelItems(ids, rows), columns=columns)
