"""Oxford 102 Flowers: `flowers-102`, labels in a MATLAB file, counted from 1, and the numbers of each split in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, listed, matlab

SETS = {"train": "trnid", "val": "valid", "test": "tstid"}


def read(folder: Path, split: str, options: Any) -> Listing:
    """The official split: train and val have ten images a class, test has the rest."""
    numbers = matlab(folder / "setid.mat", SETS[split]).astype(int)
    label = matlab(folder / "imagelabels.mat", "labels").astype(int)[numbers - 1] - 1
    return listed(folder, [f"jpg/image_{number:05d}.jpg" for number in numbers], label)


def class_names(folder: Path) -> None:
    """The files hold no names."""
