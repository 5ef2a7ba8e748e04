"""FGVC Aircraft: `fgvc-aircraft-2013b/data`. Two variants have a slash in their name, so names are never folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, lines_of, listed


def read(folder: Path, split: str, options: Any) -> Listing:
    """One of train, val and test, by variant: lines of an image's number, a space and the name of its variant."""
    rows = [line.split(" ", 1) for line in lines_of(folder / "data" / f"images_variant_{split}.txt")]
    return listed(folder, [f"data/images/{image}.jpg" for image, _ in rows], [name for _, name in rows])


def class_names(folder: Path) -> tuple[str, ...]:
    """The variants in the order of their file."""
    return tuple(lines_of(folder / "data" / "variants.txt"))
