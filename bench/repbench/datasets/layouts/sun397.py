"""SUN397: `SUN397`, classes of one or two folders below an initial. The order on disk means nothing: lists name the split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, lines_of, listed
from repbench.errors import DataError

LISTS = {"train": "Training", "test": "Testing"}


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train or test of a partition: 50 images a class each, lines such as `/a/apartment_building/outdoor/sun_....jpg`."""
    name = f"{LISTS[split]}_{options.partition:02d}.txt"
    places = [folder / name, folder / "Partitions" / name, folder.parent / name, folder.parent / "Partitions" / name]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise DataError(f"{places[0]}: this list of the official partition is missing; it comes with Partitions.zip.")
    names = [line.lstrip("/") for line in lines_of(found)]
    return listed(folder, names, [name.split("/", 1)[1].rsplit("/", 1)[0] for name in names])


def class_names(folder: Path) -> tuple[str, ...]:
    """Classes without their initial, in the order of the file."""
    return tuple(line[3:] for line in lines_of(folder / "ClassName.txt"))
