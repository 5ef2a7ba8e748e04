"""ImageNet-1k: `imagenet/train/WNID/*.JPEG` and `imagenet/val/WNID/*.JPEG`. Test is the official validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, listed
from repbench.errors import DataError

FOLDERS = {"train": "train", "test": "val"}


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train, or the official validation images; in order of class and file."""
    root = folder / FOLDERS[split]
    names = sorted(
        path.relative_to(folder).as_posix() for path in root.glob("n*/*") if path.suffix.lower() in (".jpeg", ".jpg")
    )
    if not names:
        raise DataError(f"{root}: no folder WNID with images; of a flat `val`, make folders as torchvision's ImageNet does.")
    return listed(folder, names, [name.split("/")[1] for name in names])


def class_names(folder: Path) -> tuple[str, ...]:
    """The folders of train in order, or where there is no train, those of val."""
    root = next((folder / name for name in FOLDERS.values() if (folder / name).is_dir()), folder)
    return tuple(sorted(path.name for path in root.iterdir() if path.is_dir()))
