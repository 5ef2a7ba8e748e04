"""The classes that can be learnt: of a copy that lost all examples of some in train, the others.

Birdsnap is links to photographs, of which more die each year. Such a copy is let in as deviating; a class of which nothing was
left to learn from is then never predicted, and its examples of test count as wrong. Where an example can have several classes,
one that was not learnt scores the same for every example.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from repbench.embeddings.embedded import TuningSplit
from repbench.errors import ProtocolError
from repbench.outcomes import check_classes


@dataclass(frozen=True, kw_only=True)
class Present:
    """`places`, int64 (present,), of the classes that have examples among all `names`, ascending.

    `several`: whether an example can have several classes, so that labels are (n, classes) and not (n,).
    """

    names: tuple[str, ...]
    places: np.ndarray
    several: bool = False

    def __len__(self) -> int:
        return len(self.places)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of the classes that are present."""
        return tuple(self.names[place] for place in self.places)

    def holds(self, label: np.ndarray) -> np.ndarray:
        """Which examples can be learnt from: bool (n,), of labels int (n,) or (n, classes)."""
        return np.ones(len(label), dtype=bool) if self.several else np.isin(label, self.places)

    def label(self, label: np.ndarray) -> np.ndarray:
        """Labels of examples that can be learnt from, int (n,) or (n, present), counted among the classes that are present."""
        return label[:, self.places] if self.several else np.searchsorted(self.places, label)

    def only(self, split: TuningSplit) -> TuningSplit:
        """A split as of a dataset that has the classes that are present, and no other."""
        if len(self) == len(self.names):
            return split
        kept = split.take(self.holds(split.label))
        return replace(kept, label=self.label(kept.label), class_names=self.own_names)

    def scores(self, scores: np.ndarray, below: float = 1.0) -> np.ndarray:
        """Scores (n, classes) of scores (n, present): a class that is absent has so much less than any example has of any."""
        if len(self) == len(self.names):
            return scores
        whole = np.full((len(scores), len(self.names)), scores.min() - below)
        whole[:, self.places] = scores
        return whole

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How many classes are absent and which, with a warning; nothing where none is."""
        absent = [name for place, name in enumerate(self.names) if place not in self.places]
        if not absent:
            return {}
        so = "so these score the same for every image" if self.several else "so theirs of test count as wrong"
        return {
            "absent_classes": absent,
            "warnings": [f"{len(absent)} of {len(self.names)} classes have no example in train, {so}"],
        }


def present_classes(names: tuple[str, ...], label: np.ndarray, what: str, *, may_lack: bool) -> Present:
    """The classes that occur in `label`, int (n,) or (n, classes) of 1, -1, 0.

    Raises ProtocolError where there are fewer than two, and unless they `may_lack` examples, for a class without one.
    """
    if not may_lack or len(names) < 2:
        check_classes(names, label, what)
    several = label.ndim == 2
    places = np.flatnonzero((label > 0).any(axis=0)) if several else np.unique(label)
    if len(places) < 2:
        raise ProtocolError(f"classification needs examples of two classes or more; {what} has some of {len(places)}.")
    return Present(names=names, places=places, several=several)
