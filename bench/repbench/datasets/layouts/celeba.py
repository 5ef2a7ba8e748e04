"""CelebA (Liu et al. 2015): attributes of 1 and -1 and the official partition, in text files; aligned pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repbench.datasets.layouts.listing import Listing, lines_of, listed
from repbench.errors import DataError

PARTS = {"train": "0", "val": "1", "test": "2"}
TARGET, SENSITIVE = "Blond_Hair", ("Male", "Young")  # what is asked, and by what it is grouped
HAIR, SEX = ("not blond", "blond"), ("female", "male")


def read(folder: Path, split: str, options: Any) -> Listing:
    """Hair of the pictures of one part, in the order of the lists; `group` is hair and sex (Sagawa et al. 2020)."""
    _, header, *rows = lines_of(folder / "list_attr_celeba.txt")
    names = header.split()
    if missing := [name for name in (TARGET, *SENSITIVE) if name not in names]:
        raise DataError(f"{folder / 'list_attr_celeba.txt'}: no attribute {missing[0]!r} in its second line.")
    part = dict(line.split()[:2] for line in lines_of(folder / "list_eval_partition.txt"))
    told = {name: dict(zip(names, values, strict=True)) for name, *values in map(str.split, rows)}
    kept = [name for name in told if part.get(name) == PARTS[split]]
    hair = [HAIR[told[name][TARGET] == "1"] for name in kept]
    sex = [SEX[told[name]["Male"] == "1"] for name in kept]
    age = ["young" if told[name]["Young"] == "1" else "not young" for name in kept]
    groups = [f"{one} {other}" for one, other in zip(hair, sex, strict=True)]
    return listed(folder / "img_align_celeba", kept, hair, sex=sex, age=age, group=groups)


def class_names(folder: Path) -> tuple[str, ...]:
    """Not blond, blond."""
    return HAIR
