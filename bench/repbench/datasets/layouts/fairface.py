"""FairFace (Kärkkäinen and Joo 2021): `fairface_label_train.csv` and `..._val.csv` beside the folders of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, csv_rows, listed

FILES = {"train": "fairface_label_train.csv", "test": "fairface_label_val.csv"}
GENDERS = ("Female", "Male")


def read(folder: Path, split: str, options: Any) -> Listing:
    """Gender of the pictures of train, or of the official validation part, which is the test here; grouped by race and age."""
    rows = csv_rows(folder / FILES[split], "file", "age", "gender", "race")
    columns = {name: [row[name] for row in rows] for name in ("race", "age")}
    return listed(folder, [row["file"] for row in rows], [row["gender"] for row in rows], **columns)


def class_names(folder: Path) -> tuple[str, ...]:
    """The two values of its column gender."""
    return GENDERS
