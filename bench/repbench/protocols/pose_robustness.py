"""Does an encoder know an object from a side that it was not shown? The split of Ibrahim et al. (2022), for any table of poses.

Known instances are those of train. In each class a third of them (at least one) is diverse: the probe sees them in all poses.
The others it sees in the typical pose only. Three tests:

    known-new          known instances, shown in the typical pose only, in the other poses
    unknown-new        instances of test, never shown, in the other poses                      (primary)
    unknown-typical    instances of test, in the typical pose

Accuracies are means per class; `unknown-any` is over all poses, the paper's second test as its abstract words it. Intervals
draw whole instances. The probe weighs instances equally, and its penalty is chosen on a tenth of the diverse rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.factors import Factor
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import classification, intervals, logistic
from repbench.outcomes import check_split, single_label, table
from repbench.protocol import Estimate, Outcome
from repbench.protocols import _probe

if TYPE_CHECKING:
    from pandas import DataFrame

DIVERSE = 1 / 3  # of a class's known instances
CHOOSING = 10  # one row in so many of the diverse ones chooses the penalty
TESTS = ("known-new", "unknown-new", "unknown-typical")


@dataclass(frozen=True, kw_only=True)
class PoseRobustness:
    """`instance` and `angle` name columns; `typical` the angles of the typical pose, in the column's own numbers (degrees).

    Where the dataset says of a factor which values are typical, that factor is the angle.
    `typical_probe`: the probe sees all known instances in the typical pose only: only the representation can know the rest.
    """

    instance: str = "instance"
    angle: str = "azimuth"
    typical: tuple[float, ...] = (330, 0, 30)
    typical_probe: bool = False
    version: ClassVar[int] = 2

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, or the columns of instance and angle are not declared as factors."""
        missing = [split for split in ("train", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        angle, _ = self._pose(dataset.factor)
        lacking = [name for name in (self.instance, angle) if name not in dataset.factors]
        if lacking:
            return f"{dataset.name} declares no factor {' and no factor '.join(repr(name) for name in lacking)}."
        return single_label(dataset, "a test of poses")

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Train to fit (the rows that the probe may see) and to report (the others), and test."""
        train = Need(dataset=dataset.name, split="train", column=dataset.medium)
        reported = (Need(dataset=dataset.name, split=split, column=dataset.medium, tuning=False) for split in ("test", "train"))
        return (train, *reported)

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for a missing column, no typical pose, or a class without an instance in a role."""
        angle, typical = self._pose(got.factor)
        if (angle, typical) != (self.angle, self.typical):
            return replace(self, angle=angle, typical=typical).score(replace(got, factor={}), seed)
        (train,), (unknown, known) = got.tuning, got.test
        for split, what in ((train, "train"), (unknown, "test"), (known, "train, reported")):
            check_split(split, what)
        shown = self._is_typical(train)
        instance = train.columns[self.instance].astype(str)
        roles = _roles(instance, train.label, train.class_names, seed)
        diverse = np.array([roles[one] for one in instance])
        seen = shown if self.typical_probe else diverse | shown
        probe = _fit(train.take(seen), instance[seen], len(train.class_names), got.metric, seed)
        new = ~np.array([roles[one] for one in known.columns[self.instance].astype(str)]) & ~self._is_typical(known)
        parts = {
            "known-new": known.take(new),
            "unknown-new": unknown.take(~self._is_typical(unknown)),
            "unknown-typical": unknown.take(self._is_typical(unknown)),
        }
        for name, part in parts.items():
            self._check_role(part, name, known if name == "known-new" else unknown)
        judged = {name: classification.judge(probe.scores(part.x), part.truth) for name, part in parts.items()}
        metrics = {name: self._accuracy(parts[name], judged[name].credit, seed) for name in TESTS}
        metrics |= self._gaps(parts, judged, seed)
        diagnostics = {
            "strength": probe.strength,
            "instances_diverse": int(sum(roles.values())),
            "instances_known": len(roles),
            "curve": self._curve(parts, judged, seed),
        }
        return Outcome(
            primary="unknown-new",
            metrics=metrics,
            examples=self._examples(parts, judged),
            chance=1 / len(unknown.class_names),
            chances=dict.fromkeys((*TESTS, "unknown-any"), 1 / len(unknown.class_names)),
            diagnostics=diagnostics,
        )

    def _pose(self, factors: Mapping[str, Factor]) -> tuple[str, tuple[float, ...]]:
        """The column of the pose and its typical values: as the dataset declares them, else as the options say."""
        return next(((name, one.typical) for name, one in factors.items() if one.typical), (self.angle, self.typical))

    def _angles(self, split: TuningSplit | TestSplit) -> np.ndarray:
        for name in (self.instance, self.angle):
            if name not in split.columns:
                raise ProtocolError(f"there is no column {name!r}; there are {', '.join(sorted(split.columns)) or 'none'}.")
        return split.columns[self.angle].astype(float)

    def _is_typical(self, split: TuningSplit | TestSplit) -> np.ndarray:
        angles = self._angles(split)
        typical = np.isin(angles, self.typical)
        if not typical.any() or typical.all():
            raise ProtocolError(
                f"typical angles {', '.join(f'{one:g}' for one in self.typical)} of {self.angle!r} are "
                f"{'all' if typical.all() else 'none'} of {', '.join(f'{one:g}' for one in np.unique(angles)[:12])}."
            )
        return typical

    def _check_role(self, part: TestSplit, name: str, split: TestSplit) -> None:
        """Raise ProtocolError for classes without an example in a test, with how many instances each has in its split."""
        instance = split.columns[self.instance].astype(str)
        empty = np.flatnonzero(np.bincount(part.truth, minlength=len(part.class_names)) == 0)
        told = [f"{part.class_names[one]!r} (of {len(np.unique(instance[split.truth == one]))} instances)" for one in empty]
        if told:
            raise ProtocolError(f"{len(told)} classes have no example in the test {name!r}: {_some(told)}.")

    def _accuracy(self, part: TestSplit, credit: np.ndarray, seed: int) -> Estimate:
        low, high = intervals.mean_per_class(credit, part.truth, seed, groups=part.columns[self.instance].astype(str))
        value = classification.mean_per_class(credit, part.truth)
        return Estimate(value=value, low=min(low, value), high=max(high, value))

    def _gaps(
        self, parts: Mapping[str, TestSplit], judged: Mapping[str, classification.Judged], seed: int
    ) -> dict[str, Estimate]:
        """What a new pose costs an unknown instance, what not knowing the instance costs there, and all poses together."""
        new, typical = parts["unknown-new"], parts["unknown-typical"]
        credit = np.concatenate([judged["unknown-new"].credit, judged["unknown-typical"].credit])
        both = TestSplit(
            x=np.concatenate([new.x, typical.x]),
            ids=np.concatenate([new.ids, typical.ids]),
            columns={name: np.concatenate([new.columns[name], typical.columns[name]]) for name in (self.instance, self.angle)},
            class_names=new.class_names,
            truth=np.concatenate([new.truth, typical.truth]),
        )
        values = {name: classification.mean_per_class(one.credit, parts[name].truth) for name, one in judged.items()}
        instance = both.columns[self.instance].astype(str)
        is_new = np.arange(len(instance)) < len(new)
        low, high = _difference_interval(instance, both.truth, credit, is_new, seed)
        gap = values["unknown-typical"] - values["unknown-new"]
        chance = 1 / len(new.class_names)
        found = {
            "unknown-any": self._accuracy(both, credit, seed),
            "pose-gap": Estimate(value=gap, low=min(low, gap), high=max(high, gap)),
            "instance-gap": Estimate(value=values["known-new"] - values["unknown-new"], low=float("nan"), high=float("nan")),
        }
        if values["unknown-typical"] > chance:
            drop = gap / (values["unknown-typical"] - chance)
            found["relative-drop"] = Estimate(value=drop, low=float("nan"), high=float("nan"))
        return found

    def _curve(
        self, parts: Mapping[str, TestSplit], judged: Mapping[str, classification.Judged], seed: int
    ) -> dict[str, list[list[float | None]]]:
        """Of all unknown instances ("mean") and of each class: [degrees from the typical pose, share right, low, high, n].

        Intervals draw whole instances; of fewer than two instances there is none.
        """
        names = ("unknown-typical", "unknown-new")
        away = np.concatenate([self._away(parts[name]) for name in names])
        credit = np.concatenate([judged[name].credit for name in names])
        truth = np.concatenate([parts[name].truth for name in names])
        instance = np.concatenate([parts[name].columns[self.instance].astype(str) for name in names])
        found: dict[str, list[list[float | None]]] = {}
        for name, own in {
            "mean": truth >= 0,
            **{one: truth == at for at, one in enumerate(parts[names[0]].class_names)},
        }.items():
            steps = [own & (away == step) for step in np.unique(away[own])]
            found[name] = [
                [float(away[rows][0]), *_share(credit[rows], instance[rows], seed), int(rows.sum())] for rows in steps
            ]
        return found

    def _away(self, split: TestSplit) -> np.ndarray:
        """How far each angle is from the nearest typical one, degrees round the circle (n,)."""
        turned = np.abs(self._angles(split)[:, None] - np.array(self.typical)) % 360
        away: np.ndarray = np.minimum(turned, 360 - turned).min(axis=1).round(6)
        return away

    def _examples(self, parts: Mapping[str, TestSplit], judged: Mapping[str, classification.Judged]) -> DataFrame:
        """One row an example of each test; `score` is zero outside the primary test, where its mean is the primary metric."""
        from pandas import concat

        total = sum(map(len, parts.values()))
        frames = []
        for name in TESTS:
            part, credit = parts[name], judged[name].credit
            _, place, sizes = np.unique(part.truth, return_inverse=True, return_counts=True)
            share = total * credit / (len(sizes) * sizes[place])
            names = np.array(part.class_names, dtype=object)
            frames.append(
                table(
                    {
                        "id": part.ids,
                        "test": name,
                        "truth": names[part.truth],
                        "prediction": names[judged[name].prediction],
                        "credit": credit,
                        "score": share if name == "unknown-new" else 0.0,
                        "cluster": part.columns[self.instance].astype(str),
                        "angle": self._angles(part),
                    }
                )
            )
        return concat(frames, ignore_index=True)


def _roles(instance: np.ndarray, label: np.ndarray, names: tuple[str, ...], seed: int) -> dict[str, bool]:
    """Instance -> whether it is diverse, drawn within each class. Raises ProtocolError for classes with fewer than two."""
    rng = np.random.default_rng(seed)
    found: dict[str, bool] = {}
    by_class = [np.unique(instance[label == one]) for one in range(len(names))]
    few = [f"{name!r} has {len(own)}" for name, own in zip(names, by_class, strict=True) if len(own) < 2]
    if few:
        raise ProtocolError(
            f"each class needs two known instances, one seen in all poses and one in the typical pose only; {_some(few)}."
        )
    for own in by_class:
        drawn = set(rng.permutation(own)[: max(1, round(DIVERSE * len(own)))])
        found |= {str(name): name in drawn for name in own}
    return found


def _fit(train: TuningSplit, instance: np.ndarray, classes: int, metric: str, seed: int) -> logistic.Solution:
    """The probe on rows repeated so that instances weigh alike; a part of the fullest instances chooses the penalty."""
    _, place, sizes = np.unique(instance, return_inverse=True, return_counts=True)
    rows = sizes[place]
    order = np.argsort(train.ids.astype(str), kind="stable")
    candidates = order[rows[order] == rows.max()]
    held = np.zeros(len(rows), dtype=bool)
    held[np.random.default_rng(seed).permutation(candidates)[: max(1, len(candidates) // CHOOSING)]] = True
    kept = np.repeat(np.flatnonzero(~held), np.maximum(1, np.round(rows.max() / rows[~held]).astype(int)))
    return _probe.few_strengths(train.take(kept), train.take(held), classes, metric)


def _share(credit: np.ndarray, instance: np.ndarray, seed: int) -> tuple[float, float | None, float | None]:
    value = float(credit.mean())
    if len(np.unique(instance)) < 2:
        return value, None, None
    low, high = intervals.proportion(credit, seed, groups=instance)
    return value, min(low, value), max(high, value)


def _some(words: list[str], most: int = 8) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def _difference_interval(
    instance: np.ndarray, truth: np.ndarray, credit: np.ndarray, is_new: np.ndarray, seed: int, draws: int = 1000
) -> tuple[float, float]:
    """Percentile bootstrap over instances of the mean per class in typical poses less that in new ones."""
    _, group = np.unique(instance, return_inverse=True)
    classes, label = np.unique(truth, return_inverse=True)
    shape = (int(group.max()) + 1, len(classes))
    drawn = np.random.default_rng(seed).multinomial(shape[0], np.full(shape[0], 1 / shape[0]), size=draws).astype(float)
    means: list[Any] = []
    for mask in (~is_new, is_new):
        counts, sums = np.zeros(shape), np.zeros(shape)
        np.add.at(counts, (group[mask], label[mask]), 1.0)
        np.add.at(sums, (group[mask], label[mask]), credit[mask])
        seen = drawn @ counts
        means.append(np.nanmean(np.where(seen > 0, drawn @ sums / np.maximum(seen, 1e-12), np.nan), axis=1))
    low, high = intervals.percentiles(means[0] - means[1])
    return low, high
