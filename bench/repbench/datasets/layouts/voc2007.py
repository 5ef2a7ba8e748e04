"""PASCAL VOC2007 classification: `VOCdevkit/VOC2007`. A class is there (1), not (-1), or only as difficult objects (0)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from repbench.datasets.layouts.listing import Listing, lines_of, listed
from repbench.errors import DataError

# the devkit's order
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train, val or test, from the devkit's list of each class; where those are missing, from the annotated objects."""
    ids = lines_of(folder / "ImageSets" / "Main" / f"{split}.txt")
    by_class = [folder / "ImageSets" / "Main" / f"{name}_{split}.txt" for name in CLASSES]
    label = (
        np.array([_column(path, ids) for path in by_class]).T if all(p.is_file() for p in by_class) else _objects(folder, ids)
    )
    return listed(folder, [f"JPEGImages/{image}.jpg" for image in ids], label.astype(np.int8))


def class_names(folder: Path) -> tuple[str, ...]:
    """The devkit's order."""
    return CLASSES


def _column(path: Path, ids: list[str]) -> list[int]:
    told = {image: int(value) for image, value in (line.split() for line in lines_of(path))}
    missing = [image for image in ids if image not in told]
    if missing:
        raise DataError(f"{path}: says nothing of {len(missing)} images of its split; the first is {missing[0]}.")
    return [told[image] for image in ids]


def _objects(folder: Path, ids: list[str]) -> np.ndarray:
    label = np.full((len(ids), len(CLASSES)), -1)
    for row, image in enumerate(ids):
        path = folder / "Annotations" / f"{image}.xml"
        try:
            found = ElementTree.parse(path).iter("object")
        except (OSError, ElementTree.ParseError) as error:
            raise DataError(f"{path}: cannot be read ({error}).") from error
        for thing in found:
            column = CLASSES.index(thing.findtext("name", ""))
            is_difficult = thing.findtext("difficult", "0").strip() == "1"
            label[row, column] = max(label[row, column], 0 if is_difficult else 1)
    return label
