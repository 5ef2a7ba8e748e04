"""Describable Textures: `dtd/dtd`, a folder doubled by its archive; ten partitions, of which the first is the protocol's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, lines_of, listed


def read(folder: Path, split: str, options: Any) -> Listing:
    """One of train, val and test of a partition: lines of class and file."""
    names = lines_of(folder / "labels" / f"{split}{options.partition}.txt")
    return listed(folder / "images", names, [name.split("/")[0] for name in names])


def class_names(folder: Path) -> None:
    """The lists name the class of each image; their order is the alphabet's."""
