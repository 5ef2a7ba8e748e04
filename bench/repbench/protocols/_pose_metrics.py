"""What a probe of a pose split scores: three tests, gaps, controls, single poses, other shares of diverse instances.

    variation transfer     (known-new - known-new(0)) / (diverse-new - known-new(0))

known-new(0) is that of a probe which sees no diverse instance, on the same rows: 1 where all that diverse instances teach of
poses reaches the others, 0 where nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from repbench.embeddings.embedded import TestSplit
from repbench.measure import classification, intervals, pose
from repbench.measure.classification import Judged
from repbench.measure.pose import Drawn, Part
from repbench.protocol import Estimate
from repbench.protocols import _probe
from repbench.protocols._pose_split import PoseSplit

NAN = float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A split, the share of diverse instances, and the probe that was fitted for it."""

    split: PoseSplit
    share: float
    probe: _probe.Chosen

    @cached_property
    def parts(self) -> dict[str, TestSplit]:
        """The rows of each test."""
        return self.split.parts(self.share)

    @cached_property
    def judged(self) -> dict[str, Judged]:
        """What the probe says of them."""
        return {name: self.judge(part) for name, part in self.parts.items()}

    @cached_property
    def draws(self) -> pose.Instances:
        """The draws that all intervals of differences share."""
        return pose.Instances(self.split.of(self.split.known), self.split.of(self.split.unknown), self.split.seed)

    @cached_property
    def drawn(self) -> dict[str, Drawn]:
        """The accuracy of each test."""
        return {name: self.draws.accuracy(self.part(name)) for name in self.parts}

    @property
    def of_unknown(self) -> list[str]:
        """The tests of unknown instances, which together have all their poses."""
        return [name for name in self.parts if name.startswith("unknown")]

    @cached_property
    def unknown(self) -> Part:
        """The outcomes of unknown instances in all poses, in the order of `of_unknown`."""
        parts = [self.part(name) for name in self.of_unknown]
        credit, truth, instance = (
            np.concatenate([getattr(one, name) for one in parts]) for name in ("credit", "truth", "instance")
        )
        return Part(credit=credit, truth=truth, instance=instance, known=False)

    def judge(self, test: TestSplit, probe: _probe.Chosen | None = None) -> Judged:
        """What a probe, by default this one, says of some rows."""
        return classification.judge((probe or self.probe).scores(test.x), test.truth)

    def part(self, name: str) -> Part:
        """The outcomes of a test."""
        return self.outcomes(self.parts[name], self.judged[name].credit, known=name.startswith("known"))

    def outcomes(self, test: TestSplit, credit: np.ndarray, *, known: bool) -> Part:
        """Credits of rows with their class and instance."""
        return Part(credit=credit, truth=test.truth, instance=self.split.of(test), known=known)

    def accuracy(self, part: Part) -> Estimate:
        """Mean per class, with the interval of whole instances."""
        low, high = intervals.mean_per_class(part.credit, part.truth, self.split.seed, groups=part.instance)
        value = classification.mean_per_class(part.credit, part.truth)
        return Estimate(value=value, low=min(low, value), high=max(high, value))


def estimate(drawn: Drawn) -> Estimate:
    """A number with the interval of its draws."""
    low, high = drawn.interval()
    return Estimate(value=drawn.value, low=low, high=high)


def tests(scored: Scored) -> dict[str, Estimate]:
    """The tests, all poses of unknown instances, what a new and a barred pose cost, what knowing the instance is worth."""
    drawn = scored.drawn
    found = {name: scored.accuracy(scored.part(name)) for name in drawn} | {"unknown-any": scored.accuracy(scored.unknown)}
    if "unknown-never" in drawn:
        found["never-gap"] = estimate(drawn["unknown-new"] - drawn["unknown-never"])
    gap = drawn["unknown-typical"] - drawn["unknown-new"]
    found |= {"pose-gap": estimate(gap), "instance-gap": estimate(drawn["known-new"] - drawn["unknown-new"])}
    chance = 1 / len(scored.split.order)
    above = drawn["unknown-typical"] - Drawn(value=chance, draws=np.full(pose.DRAWS, chance))
    return found | ({"relative-drop": estimate(gap.over(above))} if above.value > 0 else {})


def controls(
    scored: Scored, typical: Scored
) -> tuple[dict[str, Estimate], dict[str, Any], dict[str, tuple[TestSplit, Judged]]]:
    """The two controls, the gaps that they allow, and the variation transfer, of which the `typical` probe is the zero.

    Controls are judged by a probe of their own, fitted without their rows, where there are pictures to keep from it.
    """
    rows, fresh = scored.split.controls(scored.share)
    probe = scored.split.fit(scored.share, kept=fresh) if fresh.any() else scored.probe
    judged = {name: (part, scored.judge(part, probe)) for name, part in rows.items()}
    outcomes = {name: scored.outcomes(part, one.credit, known=True) for name, (part, one) in judged.items()}
    found = {name: scored.accuracy(one) for name, one in outcomes.items()}
    drawn = {name: scored.draws.accuracy(one) for name, one in outcomes.items()}
    new, own = scored.drawn["known-new"], scored.parts["known-new"]
    if (known := drawn.get("known-typical")) is not None:
        found["known-pose-gap"] = estimate(known - new)
        found["typical-instance-gap"] = estimate(known - scored.drawn["unknown-typical"])
    zero = scored.draws.accuracy(scored.outcomes(own, typical.judge(own).credit, known=True))
    if (diverse := drawn.get("diverse-new")) is not None and diverse.value > zero.value:
        found["variation-transfer"] = estimate((new - zero).over(diverse - zero))
    told = "pictures kept from the probe" if fresh.any() else "pictures that the probe was fitted on: one picture a pose"
    return found, {"controls": told}, judged


def of_the_typical_probe(scored: Scored, typical: Scored) -> dict[str, Estimate]:
    """The tests by a probe that sees the typical pose only, on the same rows: what the representation alone knows."""
    found = {}
    for name, part in scored.parts.items():
        outcome = scored.outcomes(part, typical.judge(part).credit, known=name.startswith("known"))
        found[f"typical-probe-{name}"] = scored.accuracy(outcome)
    return found


def single_poses(scored: Scored, angle: np.ndarray, away: np.ndarray) -> dict[str, Estimate]:
    """Of unknown instances: the worst pose, how far it is below the mean one, and the area under accuracy against degrees away.

    `angle`, `away` float (n,) of the rows of `scored.unknown`.
    """
    part = scored.unknown
    at, by = ([scored.draws.accuracy(part.take(column == one)) for one in np.unique(column)] for column in (angle, away))
    worst = pose.lowest(at)
    found = {"worst-pose": estimate(worst), "worst-pose-gap": estimate(pose.mean(at) - worst)}
    return found | ({"angle-area": estimate(pose.area(np.unique(away), by))} if len(by) > 1 else {})


def stability(scored: Scored) -> dict[str, Estimate]:
    """How little the pose moves predictions and embeddings of unknown instances."""
    prediction = np.concatenate([scored.judged[name].prediction for name in scored.of_unknown])
    same = pose.consistent(prediction, scored.unknown.instance)
    low, high = intervals.proportion(same, scored.split.seed)
    found = {"consistency": Estimate(value=float(same.mean()), low=low, high=high)}
    within = scored.draws.variance_within(scored.split.unknown.x, scored.split.of(scored.split.unknown))
    return found | ({} if within is None else {"variance-within": estimate(within)})


def other_shares(scored: Scored, typical: Scored, shares: tuple[float, ...]) -> tuple[dict[str, Estimate], list[list[float]]]:
    """The area under known-new against the share of diverse instances, from none on; the curve: [share, value, low, high].

    Shares count the instances: of three a class .25 and .05 are one each, and the same. Each share tests those that are left.
    """
    split = scored.split
    total = sum(map(len, split.order))
    runs = {len(split.diverse(one.share)): one for one in (typical, scored)}
    for share in shares:
        if (count := len(split.diverse(share))) not in runs:
            runs[count] = Scored(split=split, share=share, probe=split.fit(share))
    ordered = sorted(runs.items())
    drawn = [scored.draws.accuracy(one.part("known-new")) for _, one in ordered]
    places = np.array([count / total for count, _ in ordered])
    curve = [[float(at), one.value, *one.interval()] for at, one in zip(places, drawn, strict=True)]
    return {"known-new-area": estimate(pose.area(places, drawn))}, curve


def curve(scored: Scored, away: np.ndarray, names: tuple[str, ...]) -> Mapping[str, list[list[float | None]]]:
    """Of unknown instances, mean per class ("mean") and each class: [degrees from the typical pose, share right, low, high, n].

    `away` float (n,) of the rows of `scored.unknown`. Intervals draw whole instances; of fewer than two there is none.
    """
    part = scored.unknown
    found: dict[str, list[list[float | None]]] = {}
    for name, own in {"mean": part.truth >= 0, **{one: part.truth == at for at, one in enumerate(names)}}.items():
        found[name] = []
        for step in np.unique(away[own]):
            rows = part.take(own & (away == step))
            one = scored.accuracy(rows)
            ends = (one.low, one.high) if len(np.unique(rows.instance)) > 1 else (None, None)
            found[name].append([float(step), one.value, *ends, len(rows.credit)])
    return found
