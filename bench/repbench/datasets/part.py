"""A dataset as a copy may hold it: with some of its splits alone, or with train and validation in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repbench.datasets.declaration import DatasetDeclaration, Validation
from repbench.datasets.deviations import UNKNOWN


def part_of(declaration: DatasetDeclaration, needed: Sequence[str]) -> DatasetDeclaration | None:
    """The declaration with the splits alone from which the needed ones come; None where that is all, or where it is a probe."""
    named = {*needed, *(["train"] if declaration.validation is not None and "val" in needed else [])}
    splits = {name: size for name, size in declaration.splits.items() if name in named}
    if declaration.probe is not None or not splits or len(splits) == len(declaration.splits):
        return None
    positives = {name: counts for name, counts in declaration.content.positives.items() if name in splits}
    return replace(
        declaration,
        splits=splits,
        validation=declaration.validation if "train" in splits else None,
        content=replace(declaration.content, positives=positives),
    )


def merged_of(declaration: DatasetDeclaration) -> DatasetDeclaration | None:
    """The declaration of a copy in which the creators' validation split is part of train, out of which it is carved anew.

    None where the creators define none, where sizes are not declared, where there is no one class to carve by, and of frames,
    whose sounds would fall to both.
    """
    train, val = declaration.splits.get("train", UNKNOWN), declaration.splits.get("val", UNKNOWN)
    if UNKNOWN in (train, val) or declaration.is_multilabel or declaration.probe is not None or declaration.frames is not None:
        return None
    splits = {name: size for name, size in declaration.splits.items() if name != "val"} | {"train": train + val}
    return replace(declaration, splits=splits, validation=Validation(share=val / (train + val)))
