"""Caltech-101: `caltech101/101_ObjectCategories/CLASS/image_NNNN.jpg`. It has no official split: a list makes one.

The background is a class, as in the published protocol; some hundred images are grey.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, lines_of, listed

IMAGES = "101_ObjectCategories"


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train is what the list names, test every other image; both in order of class and number.

    A copy that lacks images of the list has a smaller train than is declared, by which it is refused, or let in and marked.
    """
    train = set(lines_of(Path(options.train_list)))
    found = [path.relative_to(folder / IMAGES).as_posix() for path in sorted((folder / IMAGES).glob("*/image_*.jpg"))]
    names = [name for name in found if (name in train) == (split == "train")]
    return listed(folder / IMAGES, names, [name.split("/")[0] for name in names])


def class_names(folder: Path) -> tuple[str, ...]:
    """The folders of categories, in ASCII order."""
    return tuple(sorted(path.name for path in (folder / IMAGES).iterdir() if path.is_dir()))
