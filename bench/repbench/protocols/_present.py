"""The classes that a probe can learn: of a copy that lost all examples of some in train, the others.

Birdsnap is links to photographs, of which more die each year. Such a copy is let in as deviating; a class of which nothing was
left to learn from is then never predicted, and its examples of test count as wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repbench.errors import ProtocolError
from repbench.outcomes import check_classes


@dataclass(frozen=True, kw_only=True)
class Present:
    """`places`, int64 (present,), of the classes that have examples among all `names`, ascending."""

    names: tuple[str, ...]
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def holds(self, label: np.ndarray) -> np.ndarray:
        """Which examples are of a class that is present: bool (n,), of labels int (n,) or (n, classes)."""
        return np.isin(label, self.places) if label.ndim == 1 else np.ones(len(label), dtype=bool)

    def label(self, label: np.ndarray) -> np.ndarray:
        """Labels int (n,) of classes that are present, counted among those only; of several classes an example, as they are."""
        return np.searchsorted(self.places, label) if label.ndim == 1 else label

    def scores(self, scores: np.ndarray) -> np.ndarray:
        """Scores (n, classes) of scores (n, present): a class that is absent has less than any other."""
        if len(self) == len(self.names):
            return scores
        whole = np.repeat(scores.min(axis=1, keepdims=True) - 1, len(self.names), axis=1)
        whole[:, self.places] = scores
        return whole

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How many classes are absent and which, with a warning; nothing where none is."""
        absent = [name for place, name in enumerate(self.names) if place not in self.places]
        if not absent:
            return {}
        told = f"{len(absent)} of {len(self.names)} classes have no example in train, so theirs of test count as wrong"
        return {"absent_classes": absent, "warnings": [told]}


def present_classes(names: tuple[str, ...], label: np.ndarray, what: str, *, may_lack: bool) -> Present:
    """The classes that occur in `label`, int (n,) or (n, classes) of 1, -1, 0.

    Raises ProtocolError where there are fewer than two, and unless they `may_lack` examples, for a class without one; classes
    of which an example can have several may never.
    """
    places = np.unique(label)
    if label.ndim == 2 or not may_lack or len(names) < 2:
        check_classes(names, label, what)
        places = np.arange(len(names))
    if len(places) < 2:
        raise ProtocolError(f"classification needs examples of two classes or more; {what} has some of {len(places)}.")
    return Present(names=names, places=places)
