"""Food-101: `food-101`, a JSON file a split that lists the images of each class, without ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, listed
from repbench.errors import DataError


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train or test, class by class as the file has them."""
    rows = [(name, image) for name, images in _meta(folder, split).items() for image in images]
    return listed(folder / "images", [f"{image}.jpg" for _, image in rows], [name for name, _ in rows])


def class_names(folder: Path) -> tuple[str, ...]:
    """The classes of train, in the order of the alphabet."""
    return tuple(sorted(_meta(folder, "train")))


def _meta(folder: Path, split: str) -> dict[str, list[str]]:
    path = folder / "meta" / f"{split}.json"
    try:
        found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    return found
