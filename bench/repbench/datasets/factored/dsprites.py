"""dSprites (Matthey et al. 2017): one .npz of 737,280 white shapes on black, with the values and places of six factors.

Only `imgs`, `latents_values` and `latents_classes` are read; the file's `metadata` is a pickle and is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repbench.datasets.factored.arrays import member, member_blocks
from repbench.datasets.factored.drawing import rows_by_split
from repbench.datasets.items import PixelItems
from repbench.datasets.layouts.listing import Listing
from repbench.errors import DataError

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
SHAPES = ("square", "ellipse", "heart")
COLUMNS = ("color", "shape", "scale", "orientation", "x", "y")  # in the order of the file


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The drawn rows of each split; orientation in degrees, the others as published."""
    path = folder / FILE
    values, classes = member(path, "latents_values"), member(path, "latents_classes")
    if values.shape != (len(classes), len(COLUMNS)) or classes.shape != values.shape:
        raise DataError(f"{path}: latents have shapes {values.shape} and {classes.shape}; expected twice (n, {len(COLUMNS)}).")
    found = rows_by_split(len(values), sizes, path, lambda: member_blocks(path, "imgs"))
    return {split: _listing(places, rows, values, classes) for split, (places, rows) in found.items()}


def class_names(folder: Path) -> tuple[str, ...]:
    """The three shapes in the order of the file."""
    return SHAPES


def _listing(places: np.ndarray, rows: np.ndarray, values: np.ndarray, classes: np.ndarray) -> Listing:
    ids = [f"image {place}" for place in places]
    columns = {name: values[places, place] for place, name in enumerate(COLUMNS) if name in ("scale", "x", "y")}
    columns["orientation"] = np.rad2deg(values[places, COLUMNS.index("orientation")])
    pixels = np.broadcast_to((rows.astype(np.uint8) * 255)[..., None], (*rows.shape, 3))
    label = classes[places, COLUMNS.index("shape")].astype(np.int64)
    return Listing(ids=np.array(ids), label=label, items=PixelItems(ids, pixels), columns=columns)
