"""Class names as sources write them, set beside the declared ones, whose order is the order of labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.table import RawDataset
from repbench.errors import DataError, counted


def class_names(raw: RawDataset, declaration: DatasetDeclaration) -> tuple[str, ...]:
    """The declared names, or where only their number is declared, the source's. Raises DataError for another number."""
    if not isinstance(declaration.classes, int):
        return declaration.classes
    if raw.class_names is not None:
        names = raw.class_names
    else:
        names = tuple(sorted({str(name) for split in raw.splits.values() for name in split.label}))
    if len(names) != declaration.classes:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise DataError(
            f"{declaration.name}: {raw.place} has {counted(len(names), 'class', 'classes')} ({shown});"
            f" declared are {declaration.classes}."
        )
    return names


def label_order(raw: RawDataset, declaration: DatasetDeclaration) -> np.ndarray:
    """Int (their classes,): the declared place of each class of the source, for sources that number their classes.

    Names count as equal that differ in case, accents of spelling or separators only; the names used in prompts serve too.
    Raises DataError where a class of the source is none of the declared.
    """
    declared = class_names(raw, declaration)
    theirs = raw.class_names
    if theirs is None or theirs == tuple(map(str, range(len(declared)))) or _in_order(theirs, declared, declaration):
        return np.arange(len(declared))
    found = [place_of(name, declared, declaration) for name in theirs]
    strange = [name for name, place in zip(theirs, found, strict=True) if place is None]
    if strange or len(set(found)) < len(found):
        what = f"{strange[0]!r} is none of the declared" if strange else "two of them are one declared class"
        if strange and all(name.isdigit() for name in theirs):
            what += f"; numbers stand for the declared order where they run from 0 to {len(declared) - 1}"
        raise DataError(f"{declaration.name}: the {len(theirs)} classes of {raw.place} are other ones: {what}.")
    return np.array(found, dtype=np.int64)


def _in_order(theirs: tuple[str, ...], declared: tuple[str, ...], declaration: DatasetDeclaration) -> bool:
    """Whether each name is the declared or the spoken one of its place; spoken names may repeat (ImageNet's missile)."""
    spoken = declaration.prompts.names if declaration.prompts is not None else {}
    return len(theirs) == len(declared) and all(
        letters(one) in (letters(name), letters(spoken.get(name, name))) for one, name in zip(theirs, declared, strict=True)
    )


def places_of(names: Sequence[str], declared: tuple[str, ...], declaration: DatasetDeclaration, split: str) -> np.ndarray:
    """The declared place of each name, int64 (n,). Raises DataError that names those that are not declared."""
    place = {name: place_of(name, declared, declaration) for name in set(map(str, names))}
    unknown = sorted(name for name, found in place.items() if found is None)
    if unknown:
        raise DataError(f"{declaration.name}: the split {split!r} has undeclared classes: {', '.join(unknown[:10])}.")
    return np.array([place[str(name)] for name in names], dtype=np.int64)


def place_of(name: str, declared: tuple[str, ...], declaration: DatasetDeclaration) -> int | None:
    """Where a name stands among the declared: as it is, else by its letters and digits, else as a prompt says it."""
    if name in declared:
        return declared.index(name)
    spoken = declaration.prompts.names if declaration.prompts is not None else {}
    for written in (declared, tuple(spoken.get(one, one) for one in declared)):
        plain = [letters(one) for one in written]
        if plain.count(letters(name)) == 1:
            return plain.index(letters(name))
    return None


def letters(name: str) -> str:
    """A name by its letters and digits: "F-16A/B", "f_16a_b" and "F 16A B" are one."""
    return " ".join(re.findall(r"\w+", name.casefold().replace("'", "").replace("_", " ")))
