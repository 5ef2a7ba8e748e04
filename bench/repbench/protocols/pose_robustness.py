"""Does an encoder know an object from a side that it was not shown? The split of Ibrahim et al. (2022), for any table of poses.

Known instances are those of train. In each class a third of them (at least one) is diverse: the probe sees them in all poses.
The others it sees in the typical pose only. Three tests:

    known-new          known instances, shown in the typical pose only, in the other poses
    unknown-new        instances of test, never shown, in the other poses                      (primary)
    unknown-typical    instances of test, in the typical pose

Accuracies are means per class; `unknown-any` is over all poses, the paper's second test as its abstract words it. Two controls
are known instances in a pose in which the probe saw them (known-typical, diverse-new). Intervals draw whole instances. The
probe weighs instances equally, and its penalty is chosen on a tenth of the diverse rows. More is in _pose_metrics.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.factors import Factor
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import classification
from repbench.outcomes import check_split, single_label, table
from repbench.protocol import Outcome
from repbench.protocols import _pose_metrics
from repbench.protocols._pose_metrics import Scored
from repbench.protocols._pose_split import CONTROLS, NEVER, TESTS, PoseSplit, shuffled

if TYPE_CHECKING:
    from pandas import DataFrame

DIVERSE = 1 / 3  # of a class's known instances: a quarter of all, as a quarter is unknown
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
AT_CHANCE = (*TESTS, *NEVER, *CONTROLS, "unknown-any", "angle-area", "known-new-area")


@dataclass(frozen=True, kw_only=True)
class PoseRobustness:
    """`instance` and `angle` name columns; `typical` the angles of the typical pose, in the column's own numbers (degrees).

    Where the dataset says of a factor which values are typical, that factor is the angle.
    `diverse`: the share of each class's known instances that the probe sees in all poses; `shares`: others at which known-new
    is asked too, each a fit of its own. `never`: angles of which the probe sees no instance (pose extrapolation): the tests of
    new poses are then of the others, and known-never and unknown-never of these. `typical_probe`: the probe sees all known
    instances in the typical pose only: only the representation can know the rest.
    """

    instance: str = "instance"
    angle: str = "azimuth"
    typical: tuple[float, ...] = (330, 0, 30)
    diverse: float = DIVERSE
    shares: tuple[float, ...] = SHARES
    never: tuple[float, ...] = ()
    typical_probe: bool = False
    version: ClassVar[int] = 3

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, or the columns of instance and angle are not declared as factors."""
        missing = [split for split in ("train", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        angle, _ = self._pose(dataset.factor)
        lacking = [name for name in (self.instance, angle) if name not in dataset.factors]
        if lacking:
            pose = "" if self.angle not in lacking else " A pose of another name says so by typical = [...] in [factor.NAME]."
            return f"{dataset.name} declares no factor {' and no factor '.join(repr(name) for name in lacking)}.{pose}"
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
        split = self._split(got, seed)
        only_typical = Scored(split=split, share=0.0, probe=split.fit(0.0))
        alone = self.typical_probe or not self.diverse
        probe = only_typical.probe if alone else split.fit(self.diverse)
        scored = Scored(split=split, share=self.diverse, probe=probe)
        names, unknown = got.test[0].class_names, [scored.parts[name] for name in scored.of_unknown]
        angles, away = (np.concatenate([of(part) for part in unknown]) for of in (self._angles, self._away))
        metrics = (
            _pose_metrics.tests(scored) | _pose_metrics.single_poses(scored, angles, away) | _pose_metrics.stability(scored)
        )
        diagnostics = {
            **scored.probe.diagnostics,
            "instances_diverse": len(split.diverse(self.diverse)),
            "instances_known": sum(map(len, split.order)),
            "curve": _pose_metrics.curve(scored, away, names),
        }
        judged = {name: (scored.parts[name], scored.judged[name]) for name in scored.parts}
        if not alone:
            found, told, further = _pose_metrics.controls(scored, only_typical)
            shares, swept = _pose_metrics.other_shares(scored, only_typical, self.shares)
            metrics |= found | _pose_metrics.of_the_typical_probe(scored, only_typical) | shares
            diagnostics |= told | {"by_share": swept}
            judged |= further
        chance = 1 / len(names)
        return Outcome(
            primary="unknown-new",
            metrics=metrics,
            examples=self._examples(judged, split),
            chance=chance,
            chances={name: chance for name in metrics if name in AT_CHANCE or name.startswith("typical-probe-")},
            diagnostics=diagnostics,
        )

    def _split(self, got: Embeddings, seed: int) -> PoseSplit:
        (train,), (unknown, known) = got.tuning, got.test
        for one, what in ((train, "train"), (unknown, "test"), (known, "train, reported")):
            check_split(one, what)
        shown = {"train": self._is_typical(train), "known": self._is_typical(known), "unknown": self._is_typical(unknown)}
        return PoseSplit(
            train=train,
            known=known,
            unknown=unknown,
            shown=shown,
            barred={"train": self._is_barred(train), "known": self._is_barred(known), "unknown": self._is_barred(unknown)},
            pose=self._angles(train),
            instance=self.instance,
            order=shuffled(train.columns[self.instance].astype(str), train.label, train.class_names, seed),
            metric=got.metric,
            seed=seed,
            device=got.device,
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
                f"{'all' if typical.all() else 'none'} of {_some_angles(angles)}."
            )
        return typical

    def _is_barred(self, split: TuningSplit | TestSplit) -> np.ndarray:
        angles = self._angles(split)
        wrong = [one for one in self.never if one in self.typical or one not in angles]
        if wrong:
            raise ProtocolError(
                f"never={wrong[0]:g} of {self.angle!r} is "
                f"{'a typical angle' if wrong[0] in self.typical else 'none of its angles'}: {_some_angles(angles)}."
            )
        return np.isin(angles, self.never)

    def _away(self, split: TestSplit) -> np.ndarray:
        """How far each angle is from the nearest typical one, degrees round the circle (n,)."""
        turned = np.abs(self._angles(split)[:, None] - np.array(self.typical)) % 360
        away: np.ndarray = np.minimum(turned, 360 - turned).min(axis=1).round(6)
        return away

    def _examples(self, judged: Mapping[str, tuple[TestSplit, classification.Judged]], split: PoseSplit) -> DataFrame:
        """One row an example of each test; `score` is zero outside the primary test, where its mean is the primary metric."""
        from pandas import concat

        total = sum(len(part) for part, _ in judged.values())
        frames = []
        for name, (part, one) in judged.items():
            _, place, sizes = np.unique(part.truth, return_inverse=True, return_counts=True)
            share = total * one.credit / (len(sizes) * sizes[place])
            names = np.array(part.class_names, dtype=object)
            frames.append(
                table(
                    {
                        "id": part.ids,
                        "test": name,
                        "truth": names[part.truth],
                        "prediction": names[one.prediction],
                        "credit": one.credit,
                        "score": share if name == "unknown-new" else 0.0,
                        "cluster": split.of(part),
                        "angle": self._angles(part),
                    }
                )
            )
        return concat(frames, ignore_index=True)


def _some_angles(angles: np.ndarray) -> str:
    return ", ".join(f"{one:g}" for one in np.unique(angles)[:12])
