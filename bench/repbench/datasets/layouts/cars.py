"""Stanford Cars: `stanford_cars`, annotations in MATLAB files, classes counted from 1; those of test outside `devkit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, listed, matlab

ANNOTATIONS = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}


def read(folder: Path, split: str, options: Any) -> Listing:
    """Train or test, in the order of its annotations."""
    rows = matlab(folder / ANNOTATIONS[split], "annotations")
    return listed(folder, [f"cars_{split}/{row['fname']}" for row in rows], [int(row["class"]) - 1 for row in rows])


def class_names(folder: Path) -> tuple[str, ...]:
    """Make, model, type and year, in label order."""
    return tuple(str(name) for name in matlab(folder / "devkit" / "cars_meta.mat", "class_names"))
