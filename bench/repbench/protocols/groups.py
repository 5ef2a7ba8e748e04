"""Is an encoder as good for every group? The probe's accuracy in the worst group of each declared factor (Sagawa et al. 2020).

A factor is grouped by where it has 2 to 40 values. Groups of fewer than ten examples are reported and not ranked. The primary
metric is the accuracy of the worst group over all factors: for an encoder that says nothing it is about the share of the
commonest class there, so read it beside the mean. `repbench groups RESULTS --by COLUMN` groups any record by any column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import classification, groups, intervals
from repbench.measure.group_intervals import GroupIntervals, bootstrap
from repbench.measure.intervals import Interval
from repbench.outcomes import single_label, table
from repbench.protocol import Estimate, Outcome
from repbench.protocols import _probe

FEWEST, MOST = 2, 40  # values of a factor that makes groups


@dataclass(frozen=True, kw_only=True)
class Groups:
    """`by`: the columns that make groups; none named: every declared factor that has 2 to 40 values."""

    by: tuple[str, ...] = ()
    version: ClassVar[int] = 4

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, no factor is declared, there is one class only, or examples have several."""
        missing = [split for split in ("train", "val", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        if not dataset.factors and not self.by:
            return f"{dataset.name} declares no factors that could make groups."
        return single_label(dataset, "a group's accuracy") if dataset.class_count > 1 else f"{dataset.name} has one class only."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Those of the linear probe."""
        tuning = tuple(Need(dataset=dataset.name, split=split, column=dataset.medium) for split in ("train", "val"))
        return (*tuning, Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False))

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError as the probe, and for a column that is not there, is constant, or is continuous."""
        (test,) = got.test
        columns = _columns(test, self.by, got.factors)
        probe = _probe.fitted(got)
        judged = classification.judge(probe.scores(test.x), test.truth)
        names = np.array(test.class_names, dtype=object)
        metrics, found = _metrics(columns, judged, test, seed)
        return Outcome(
            primary="worst-group-accuracy",
            metrics=metrics,
            examples=table(
                {
                    "id": test.ids,
                    "truth": names[test.truth],
                    "prediction": names[judged.prediction],
                    "score": judged.credit,
                    "tied": judged.tied,
                    **({} if test.clusters is None else {"cluster": test.clusters}),
                    **{
                        name: column
                        for name, column in columns.items()
                        if name not in ("id", "truth", "prediction", "score", "tied")
                    },
                }
            ),
            chance=None,
            diagnostics={"groups": found, **probe.diagnostics},
        )


def _metrics(
    columns: Mapping[str, np.ndarray], judged: classification.Judged, test: TestSplit, seed: int
) -> tuple[dict[str, Estimate], dict[str, Any]]:
    credit = judged.credit
    low, high = intervals.proportion(credit, seed, groups=test.clusters)
    metrics = {"accuracy": Estimate(value=classification.accuracy(credit), low=low, high=high)}
    found: dict[str, Any] = {}
    worst: tuple[float, str] = (math.inf, "")
    bounds: dict[str, GroupIntervals] = {}
    for name, column in columns.items():
        own = groups.groups_of(column, credit)
        found[name] = [asdict(one) for one in own]
        least = groups.worst(own)
        if least is None:
            continue
        worst = min(worst, (least.accuracy, name))
        bounds[name] = bootstrap(column, credit, judged.prediction, test.truth, seed, test.clusters)
        odds = groups.equalised_odds_difference(column, judged.prediction, test.truth)
        metrics[f"gap-{name}"] = _estimate(groups.gap(own), bounds[name].gap)
        metrics[f"equalised-odds-{name}"] = _estimate(odds, bounds[name].odds)
    if not worst[1]:
        raise ProtocolError(f"no group of {', '.join(columns)} has {groups.LEAST} examples.")
    metrics["worst-group-accuracy"] = _estimate(worst[0], bounds[worst[1]].worst)
    return {name: one for name, one in metrics.items() if not math.isnan(one.value)}, found


def _estimate(value: float, interval: Interval) -> Estimate:
    return Estimate(value=value, low=min(interval[0], value), high=max(interval[1], value))


def _columns(test: TestSplit, asked: tuple[str, ...], factors: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The columns that make groups. Raises ProtocolError for one that was asked for by name and cannot."""
    for name in asked:
        if name not in test.columns:
            raise ProtocolError(
                f"there is no column {name!r} to group by; there are {', '.join(sorted(test.columns)) or 'none'}."
            )
        if problem := _problem(test.columns[name]):
            raise ProtocolError(f"the column {name!r} {problem}: it makes no groups.")
    names = asked or tuple(name for name in factors if name in test.columns and not _problem(test.columns[name]))
    if not names:
        raise ProtocolError(f"none of the factors {', '.join(factors) or '(none)'} makes groups of the test examples.")
    return {name: test.columns[name] for name in names}


def _problem(column: np.ndarray) -> str:
    values = len(np.unique(column.astype(str)))
    if values < FEWEST:
        return "is constant"
    return f"has {values} values (continuous, or an identifier)" if values > MOST else ""
