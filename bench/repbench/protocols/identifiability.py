"""Which factors of the data can be read off the embedding? (von Kuegelgen et al. 2021, section 5; Eastwood & Williams 2018.)

Every factor that the dataset declares, and its class, is predicted from standardised embeddings by ridge regression ("linear")
and by ridge regression with a Gaussian kernel ("kernel"): R^2 of numbers and angles, accuracy of categories. `content` and
`style` are means over the factors of a role of R^2 or, for a category, (accuracy - chance) / (1 - chance), by the kernel. The
strength, and of the kernel the width, has the least squared error on validation; for a factor that is read within train
(an instance), the least leave-one-out error.

DCI: disentanglement, completeness and informativeness from the weights of a lasso.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.factors import ROLES, Factor
from repbench.digests import digest_text
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import classification, disentanglement, intervals, kernels, ridge
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome

if TYPE_CHECKING:
    from pandas import DataFrame
from repbench.protocols._factors import Reading, column_of, reading, with_class

WIDTHS = (0.25, 1.0, 4.0)  # of the kernel, times the median heuristic's
HELD = 5  # one row of train in so many is held out for a factor that is read within train
NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Identifiability:
    """`rows` of train are fitted to at most, and `landmarks` of them carry the kernel; both are drawn by their ids.

    Of an embedding of more than `dimensions`, so many are drawn for DCI: a lasso on thousands of pixels is slow.
    """

    rows: int = 1024
    landmarks: int = 512
    dimensions: int = 512
    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, no factor is declared as content or style, or none is content."""
        missing = [split for split in ("train", "val", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        if not dataset.factor:
            return f"{dataset.name} declares no [factor.NAME] as content or style."
        if dataset.is_multilabel:
            return f"identifiability takes one class an example; those of {dataset.name} can have several."
        roles = {one.role for one in dataset.factor.values()}
        return "" if dataset.class_count > 1 or "content" in roles else f"no factor of {dataset.name} is content."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Train and validation to fit and choose, test to report; train to report too where a factor is read within it."""
        within = ("train",) if any(one.within for one in dataset.factor.values()) else ()
        tuning = tuple(Need(dataset=dataset.name, split=split, column=dataset.medium) for split in ("train", "val"))
        reported = ("test", *within)
        return (*tuning, *(Need(dataset=dataset.name, split=one, column=dataset.medium, tuning=False) for one in reported))

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for a factor without a column, constant, or continuous where classes are needed."""
        (train, val), test = got.tuning, got.test[0]
        for split, what in ((train, "train"), (val, "val"), (test, "test"), (got.test[-1], "reported")):
            check_split(split, what)
        factors = with_class(got.factor, test.class_names)
        outer = {name: one for name, one in factors.items() if not one.within}
        parts = [_Part(train=train, val=val, test=test, factors=outer, protocol=self, seed=seed)]
        if len(outer) < len(factors):
            parts.append(self._within(train, got.test[1], {n: one for n, one in factors.items() if one.within}, seed))
        read = [one for part in parts for one in part.read()]
        importance, dci, told = parts[0].dci()
        metrics = {**_means(read), **{f"{one.way}-{one.name}": _estimate(one.shown, one.clusters) for one in read}, **dci}
        return Outcome(
            primary="content",
            metrics=metrics,
            examples=_examples(parts, read),
            chance=0.0,
            diagnostics={
                "rows": len(parts[0].x),
                "collapsed": bool(not parts[0].x.any()),
                "chance": {one.name: one.chance for one in read if one.way == "kernel" and one.chance is not None},
                "roles": {name: one.role for name, one in factors.items()},
                "chosen": {f"{one.way}-{one.name}": one.chosen for one in read},
                "lasso": told,
                "importance": importance,
            },
        )

    def _within(self, train: TuningSplit, reported: TestSplit, factors: Mapping[str, Factor], seed: int) -> _Part:
        """A part that is fitted to four fifths of train's rows and reports on the others."""
        held, asked = (
            np.array([int(digest_text(str(seed), "held", str(one))[:8], 16) % HELD == 0 for one in split.ids])
            for split in (train, reported)
        )
        if not held.any() or held.all():
            raise ProtocolError(f"train has {len(train)} rows: too few to hold some out for {', '.join(factors)}.")
        return _Part(train=train.take(~held), val=None, test=reported.take(asked), factors=factors, protocol=self, seed=seed)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One factor read in one way: what each row adds to its skill and to what is shown (R^2, accuracy)."""

    name: str
    role: str
    way: str
    part: int
    skill: np.ndarray
    shown: np.ndarray
    clusters: np.ndarray | None
    chosen: Mapping[str, float]
    chance: float | None


class _Part:
    """Factors that are fitted to the same rows and reported on the same rows."""

    def __init__(
        self,
        *,
        train: TuningSplit,
        val: TuningSplit | None,
        test: TestSplit,
        factors: Mapping[str, Factor],
        protocol: Identifiability,
        seed: int,
    ) -> None:
        order = np.argsort([digest_text(str(seed), str(one)) for one in train.ids], kind="stable")[: protocol.rows]
        self.test, self.factors, self.number = test, factors, 0 if val is not None else 1
        self.readings = [reading(name, one, column_of(train, name)[order]) for name, one in factors.items()]
        self.mean = train.x[order].astype(np.float64).mean(axis=0)
        spread = train.x[order].astype(np.float64).std(axis=0)
        self.scale = np.where(spread > 1e-6 * np.abs(self.mean) + 1e-30, spread, np.inf)  # a constant dimension tells nothing
        self.x, self.landmarks, self.val = self._standard(train.x[order]), protocol.landmarks, val
        self.drawn = np.sort(np.random.default_rng(seed).permutation(self.x.shape[1])[: protocol.dimensions])
        self.chosen_on = None if val is None else [one.encode(column_of(val, one.name)) for one in self.readings]

    def _standard(self, x: np.ndarray) -> np.ndarray:
        found: np.ndarray = (x.astype(np.float64) - self.mean) / self.scale
        return found

    def read(self) -> list[_Read]:
        """Every factor, linear and by the kernel."""
        marks = self.x[: self.landmarks]
        between = kernels.squared_distances(marks, marks)
        gamma = kernels.median_gamma(between)
        kernel = [kernels.gaussian_features(between, gamma * width) for width in WIDTHS]
        x, test = self.x, self._standard(self.test.x)
        val = None if self.val is None else self._standard(self.val.x)
        found = self._by("linear", [(0.0, x, val, test)])
        near, ahead, far = (kernels.squared_distances(rows, marks) for rows in (x, x[:0] if val is None else val, test))
        ways = [(one.gamma, one(near), None if val is None else one(ahead), one(far)) for one in kernel]
        return found + self._by("kernel", ways)

    def _by(self, way: str, ways: Sequence[tuple[float, np.ndarray, np.ndarray | None, np.ndarray]]) -> list[_Read]:
        y = np.concatenate([one.targets for one in self.readings], axis=1)
        ends = np.cumsum([0] + [one.targets.shape[1] for one in self.readings])
        best: list[tuple[float, float, float, np.ndarray]] = [(np.inf, 0.0, 0.0, np.empty(0))] * len(self.readings)
        for gamma, x, val, test in ways:
            path = ridge.fit_path(x, y)
            ahead = None if val is None else path.predict_all(val)
            places = np.empty(y.shape[1], dtype=np.int64)
            errors = []
            for place in range(len(self.readings)):
                own = slice(ends[place], ends[place + 1])
                error = path.errors[:, own].mean(axis=1)
                if ahead is not None and self.chosen_on is not None:
                    error = ((ahead[:, :, own] - self.chosen_on[place]) ** 2).mean(axis=(1, 2))
                places[own] = ridge.strongest_of_best(error)
                errors.append(float(error[places[ends[place]]]))
            predicted = path.predict(test, places)
            for place, error in enumerate(errors):
                if error < best[place][0] - 1e-12:
                    own = slice(ends[place], ends[place + 1])
                    best[place] = error, float(path.strengths[places[ends[place]]]), gamma, predicted[:, own]
        return [self._read(one, way, *chosen) for one, chosen in zip(self.readings, best, strict=True)]

    def _read(self, one: Reading, way: str, error: float, strength: float, gamma: float, predicted: np.ndarray) -> _Read:
        column = column_of(self.test, one.name)
        skill = one.contributions(predicted, column)
        chance = one.chance(column) if one.values else None
        shown = skill if chance is None else classification.judge(predicted, one.encode(column).argmax(axis=1)).credit
        chosen = {"strength": strength, **({"gamma": gamma} if way == "kernel" else {})}
        return _Read(
            name=one.name,
            role=one.factor.role,
            way=way,
            part=self.number,
            skill=skill,
            shown=shown,
            clusters=self.test.clusters,
            chosen=chosen,
            chance=chance,
        )

    def dci(self) -> tuple[dict[str, Any], dict[str, Estimate], dict[str, Any]]:
        """The importance of the leading dimensions, the three metrics, and how the lasso was chosen and went."""
        scaled = [(one.targets - one.targets.mean(axis=0)) / one.targets.std(axis=0).clip(1e-12) for one in self.readings]
        path = disentanglement.lasso_path(self.x[:, self.drawn], np.concatenate(scaled, axis=1))
        ends = np.cumsum([0] + [one.shape[1] for one in scaled])
        assert self.val is not None
        assert self.chosen_on is not None
        ahead, test = (path.predict(self._standard(one.x)[:, self.drawn]) for one in (self.val, self.test))
        columns, informed, penalties = [], [], {}
        for place, one in enumerate(self.readings):
            own = slice(ends[place], ends[place + 1])
            mean, spread = one.targets.mean(axis=0), one.targets.std(axis=0).clip(1e-12)
            error = ((ahead[:, :, own] - (self.chosen_on[place] - mean) / spread) ** 2).mean(axis=(1, 2))
            best = int(np.flatnonzero(error <= error.min() + 1e-12)[0])  # penalties fall: of equal ones the strongest
            columns.append(np.abs(path.weights[best][:, own]).mean(axis=1))
            predicted = test[best][:, own] * spread + mean
            informed.append(float(one.contributions(predicted, column_of(self.test, one.name)).mean()))
            penalties[one.name] = disentanglement.PENALTIES[best]
        r = np.stack(columns, axis=1)
        values = {
            "disentanglement": disentanglement.disentanglement(r),
            "completeness": disentanglement.completeness(r),
            "informativeness": float(np.mean(informed)),
        }
        dci = {name: Estimate(value=one, low=NAN, high=NAN) for name, one in values.items() if not np.isnan(one)}
        top = np.sort(np.argsort(-r.sum(axis=1), kind="stable")[:16])
        shown = {str(self.drawn[place]): [float(f"{one:.3g}") for one in r[place]] for place in top if r[place].any()}
        return shown, dci, {"penalties": penalties, "converged": path.converged, "dimensions": len(self.drawn)}


def _means(read: Sequence[_Read]) -> dict[str, Estimate]:
    """`content` and `style`, by the kernel, and linear: means over factors. Errors of parts are added up."""
    found = {}
    for way in ("kernel", "linear"):
        for role in ROLES:
            own = [one for one in read if one.way == way and one.role == role]
            if not own:
                continue
            value = float(np.mean([one.skill.mean() for one in own]))
            half = 0.0
            for part in {one.part for one in own}:
                rows = [one for one in own if one.part == part]
                added = np.sum([one.skill for one in rows], axis=0) / len(own)
                low, high = intervals.normal_mean(added, groups=rows[0].clusters)
                half = float(np.hypot(half, (high - low) / 2))
            found[role if way == "kernel" else f"linear-{role}"] = Estimate(value=value, low=value - half, high=value + half)
    return found


def _estimate(rows: np.ndarray, clusters: np.ndarray | None) -> Estimate:
    low, high = intervals.normal_mean(rows, groups=clusters)
    return Estimate(value=float(rows.mean()), low=low, high=high)


def _examples(parts: Sequence[_Part], read: Sequence[_Read]) -> DataFrame:
    """One row an example of each part: `score`, whose mean is `content`, and what the row adds to the skill of each factor."""
    total = sum(len(part.test) for part in parts)
    content = [one for one in read if one.way == "kernel" and one.role == "content"]
    from pandas import concat

    frames = []
    for part in parts:
        own = [one for one in read if one.part == part.number and one.way == "kernel"]
        score = np.zeros(len(part.test))
        for one in own:
            if one.role == "content":
                score += one.skill * total / len(part.test) / len(content)
        columns = {f"skill of {one.name}": one.skill for one in own}
        clusters = {} if part.test.clusters is None else {"cluster": part.test.clusters}
        frames.append(table({"id": part.test.ids, "score": score, **columns, **clusters}))
    return concat(frames, ignore_index=True)
