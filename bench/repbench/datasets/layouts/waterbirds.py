"""Waterbirds (Sagawa et al. 2020): `metadata.csv` with y, split and place of each picture, as published or by WILDS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, csv_rows, listed

SPLITS = {"train": "0", "val": "1", "test": "2"}
BIRDS, PLACES = ("landbird", "waterbird"), ("land", "water")


def read(folder: Path, split: str, options: Any) -> Listing:
    """One split in the order of the file; `group` is bird and place, the four groups whose worst is reported."""
    rows = csv_rows(folder / "metadata.csv", "img_filename", "y", "split", "place")
    kept = [row for row in rows if row["split"] == SPLITS[split]]
    place = [PLACES[int(row["place"])] for row in kept]
    bird = [BIRDS[int(row["y"])] for row in kept]
    groups = [f"{one} on {other}" for one, other in zip(bird, place, strict=True)]
    return listed(folder, [row["img_filename"] for row in kept], bird, place=place, group=groups)


def class_names(folder: Path) -> tuple[str, ...]:
    """The two kinds of birds, in order of y."""
    return BIRDS
