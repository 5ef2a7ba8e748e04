"""Folds: whole groups of examples (objects, speakers) change places, so that over all folds each is in test once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repbench.errors import DataError

ORDER = ("test", "train", "val")  # the first fold is nearly the split that the data come with


@dataclass(frozen=True, kw_only=True)
class Folds:
    """`of`: the column whose equal values stay together; `fold`: which of the `count` folds this is, from 0."""

    of: str
    count: int
    fold: int

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ValueError(f"folds.count is {self.count}; expected 2 or more.")
        if not 0 <= self.fold < self.count:
            raise ValueError(f"folds.fold is {self.fold}; expected 0 to {self.count - 1}.")


def dealt(split: np.ndarray, label: np.ndarray, group: np.ndarray, folds: Folds) -> np.ndarray:
    """The split of each example in a fold, str (n,), from the split that it had, its class and its group, each (n,).

    The groups of each class are dealt into `count` parts of one size, those that were in test first, then train, then val,
    each in order of their names: part `fold` is test, the other parts are train. Groups that no part needs are val in every
    fold, so that what is chosen on val is never chosen on what any fold tests. Examples of another split stay in it.
    Raises DataError for a class with fewer groups than folds, and for a group of two classes.
    """
    split, group = split.astype(str), group.astype(str)
    found = split.copy()
    taken: set[str] = set()
    for value in np.unique(label):
        own = (label == value) & np.isin(split, ORDER)
        groups = [str(name) for at in ORDER for name in np.unique(group[own & (split == at)])]
        if len(set(groups)) < len(groups) or taken & set(groups):
            name = next(one for one in groups if one in taken or groups.count(one) > 1)
            raise DataError(f"folds.of={folds.of!r}: {name!r} lies in two splits or has two classes; a fold moves it whole.")
        size = len(groups) // folds.count
        if groups and not size:
            raise DataError(
                f"folds.count={folds.count}: the class {str(value)!r} has {len(groups)} values of {folds.of!r}; "
                "take no more folds than that."
            )
        taken |= set(groups)
        for place, name in enumerate(groups):
            part = place // size
            found[own & (group == name)] = "val" if part >= folds.count else "test" if part == folds.fold else "train"
    return found
