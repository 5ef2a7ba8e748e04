"""Oxford-IIIT Pets: `oxford-iiit-pet`, lists of name, class, species and breed, counted from 1. Train is `trainval`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, lines_of, listed

LISTS = {"train": "trainval", "test": "test"}


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train (the official trainval) or test."""
    rows = _rows(folder, LISTS[split])
    return listed(folder, [f"images/{row[0]}.jpg" for row in rows], [int(row[1]) - 1 for row in rows])


def class_names(folder: Path) -> tuple[str, ...]:
    """The stems of the file names in order of their class; cats begin with a capital there and dogs do not."""
    stems = {int(row[1]): row[0].rsplit("_", 1)[0] for row in _rows(folder, "trainval")}
    return tuple(" ".join(part.title() for part in stems[number].split("_")) for number in sorted(stems))


def _rows(folder: Path, name: str) -> list[list[str]]:
    return [line.split() for line in lines_of(folder / "annotations" / f"{name}.txt") if not line.startswith("#")]
