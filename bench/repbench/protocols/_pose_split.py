"""The split of a table of poses into what a probe sees and what it is asked (Ibrahim et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols import _probe

CHOOSING = 10  # one row in so many of the fullest instances chooses the penalty; one in so many is kept for a control
CONTROLS = ("known-typical", "diverse-new")
TESTS = ("known-new", "unknown-new", "unknown-typical")
NEVER = ("known-never", "unknown-never")  # in poses that no instance showed


@dataclass(frozen=True, kw_only=True)
class PoseSplit:
    """Rows of train, to fit; the same, to report (`known`); and of test (`unknown`).

    `shown`: which are in the typical pose; `barred`: which in a pose that no instance may show to the probe.
    """

    train: TuningSplit
    known: TestSplit
    unknown: TestSplit
    shown: Mapping[str, np.ndarray]  # "train", "known", "unknown" -> bool (n,)
    barred: Mapping[str, np.ndarray]  # as `shown`
    pose: np.ndarray  # of train, float (n,)
    instance: str  # the column
    order: tuple[np.ndarray, ...]  # by class, its known instances in the order in which they become diverse
    metric: str
    seed: int
    device: str = "cpu"

    def diverse(self, share: float) -> np.ndarray:
        """The instances, str (m,), that are seen in all poses: of each class that share, if any then one, but never all."""
        return np.concatenate([own[: _count(share, len(own))] for own in self.order])

    def parts(self, share: float) -> dict[str, TestSplit]:
        """The three tests, two more where poses are barred. Raises ProtocolError for a class without an example in one."""
        new = ~np.isin(self.of(self.known), self.diverse(share)) & ~self.shown["known"]
        known, unknown = self.barred["known"], self.barred["unknown"]
        found = {
            "known-new": self.known.take(new & ~known),
            "unknown-new": self.unknown.take(~self.shown["unknown"] & ~unknown),
            "unknown-typical": self.unknown.take(self.shown["unknown"]),
        }
        if self.barred["train"].any():
            found |= dict(zip(NEVER, (self.known.take(new & known), self.unknown.take(unknown)), strict=True))
        for name, part in found.items():
            self._check(part, name, self.known if name.startswith("known") else self.unknown)
        return found

    def controls(self, share: float) -> tuple[dict[str, TestSplit], np.ndarray]:
        """Rows in a pose in which their instance was seen, and which rows of train are kept from the probe for them, bool (n,).

        "known-typical": of instances seen in the typical pose only; "diverse-new": of diverse ones, in other poses. They are
        pictures that the probe has not seen, of poses of which it has seen another; where there is one picture a pose, those
        that it was fitted on, and none is kept. A control of which a class has no row is left out.
        """
        diverse = np.isin(self.of(self.train), self.diverse(share))
        groups = {
            "known-typical": ~diverse & self.shown["train"],
            "diverse-new": diverse & ~self.shown["train"] & ~self.barred["train"],
        }
        groups = {name: rows for name, rows in groups.items() if self._has_all(rows)}
        kept = {name: self._kept(rows) for name, rows in groups.items()}
        fresh = np.zeros(len(self.train), dtype=bool)
        if all(self._has_all(rows) for rows in kept.values()):
            groups, fresh = kept, np.logical_or.reduce([fresh, *kept.values()])
        return {name: self.known.take(np.isin(self.known.ids, self.train.ids[rows])) for name, rows in groups.items()}, fresh

    def _has_all(self, rows: np.ndarray) -> bool:
        return bool(np.isin(np.arange(len(self.order)), self.train.label[rows]).all())

    def fit(self, share: float, *, kept: np.ndarray | None = None) -> _probe.Chosen:
        """The probe on the typical pose of all known instances and all poses of the diverse ones, none barred, none `kept`."""
        seen = (np.isin(self.of(self.train), self.diverse(share)) | self.shown["train"]) & ~self.barred["train"]
        return self._fit(self.train.take(seen if kept is None else seen & ~kept))

    def _fit(self, train: TuningSplit) -> _probe.Chosen:
        """The probe on rows repeated so that instances weigh alike; a part of the fullest instances chooses the penalty."""
        _, place, sizes = np.unique(train.columns[self.instance].astype(str), return_inverse=True, return_counts=True)
        rows = sizes[place]
        order = np.argsort(train.ids.astype(str), kind="stable")
        candidates = order[rows[order] == rows.max()]
        held = np.zeros(len(rows), dtype=bool)
        held[np.random.default_rng(self.seed).permutation(candidates)[: max(1, len(candidates) // CHOOSING)]] = True
        kept = np.repeat(np.flatnonzero(~held), np.maximum(1, np.round(rows.max() / rows[~held]).astype(int)))
        return _probe.few_strengths(train.take(kept), train.take(held), len(self.order), self.metric, self.device)

    def of(self, split: TuningSplit | TestSplit) -> np.ndarray:
        """The instance of each row, str (n,)."""
        named: np.ndarray = split.columns[self.instance].astype(str)
        return named

    def _kept(self, rows: np.ndarray) -> np.ndarray:
        """One picture in CHOOSING of each instance, at least one, of poses that have several: bool (n,)."""
        place = np.flatnonzero(rows)
        place = np.random.default_rng(self.seed).permutation(
            place[np.argsort(self.train.ids[place].astype(str), kind="stable")]
        )
        instance, own = np.unique(self.of(self.train)[place], return_inverse=True)
        cell = own * (len(place) + 1) + np.unique(self.pose[place], return_inverse=True)[1]
        _, first, pictures = np.unique(cell, return_index=True, return_counts=True)
        first = np.sort(first[pictures > 1])  # a picture of each pose that has another
        found = np.zeros(len(rows), dtype=bool)
        for one, total in enumerate(np.bincount(own, minlength=len(instance))):
            found[place[first[own[first] == one][: max(1, total // CHOOSING)]]] = True
        return found

    def _check(self, part: TestSplit, name: str, split: TestSplit) -> None:
        empty = np.flatnonzero(np.bincount(part.truth, minlength=len(part.class_names)) == 0)
        told = [
            f"{part.class_names[one]!r} (of {len(np.unique(self.of(split)[split.truth == one]))} instances)" for one in empty
        ]
        if told:
            raise ProtocolError(f"{len(told)} classes have no example in the test {name!r}: {_some(told)}.")


def shuffled(instance: np.ndarray, label: np.ndarray, names: tuple[str, ...], seed: int) -> tuple[np.ndarray, ...]:
    """The instances of each class in a random order. Raises ProtocolError for classes with fewer than two."""
    rng = np.random.default_rng(seed)
    by_class = [np.unique(instance[label == one]) for one in range(len(names))]
    few = [f"{name!r} has {len(own)}" for name, own in zip(names, by_class, strict=True) if len(own) < 2]
    if few:
        raise ProtocolError(
            f"each class needs two known instances, one seen in all poses and one in the typical pose only; {_some(few)}."
        )
    return tuple(rng.permutation(own) for own in by_class)


def _count(share: float, instances: int) -> int:
    return min(instances - 1, max(1, round(share * instances))) if share > 0 else 0


def _some(words: list[str], most: int = 8) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
