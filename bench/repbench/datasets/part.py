"""A dataset with some of its splits alone: what can be asked of a copy that holds no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repbench.datasets.declaration import DatasetDeclaration


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
