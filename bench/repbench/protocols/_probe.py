"""The probe of the protocols that ask about a probe's predictions: five strengths, fitted on train, chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repbench.embeddings.embedded import Embeddings, TuningSplit
from repbench.measure import classification, logistic
from repbench.outcomes import check_split
from repbench.protocols._present import Present, present_classes

STRENGTHS = tuple(10.0**exponent for exponent in range(-1, 4))
GAP = 1e-3  # of the objective, proven at each strength; records tell it


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The regression that is best on validation. `gap` is the largest proven one of all strengths, `proven` whether all are."""

    solution: logistic.Solution
    gap: float
    proven: bool

    @property
    def strength(self) -> float:
        """Of its penalty."""
        return self.solution.strength

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, classes) of features (n, d)."""
        return self.solution.scores(x)

    @property
    def diagnostics(self) -> dict[str, Any]:
        """For the record: what was chosen, how well it is solved, and whether the choice is an end of the grid."""
        at_grid_edge = self.strength in (STRENGTHS[0], STRENGTHS[-1])
        return {
            "strength": self.strength,
            "relative_gap": self.gap,
            "converged": self.proven,
            "at_grid_edge": at_grid_edge,
        }


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A probe, and the classes that it could learn."""

    probe: Chosen
    present: Present

    def scores(self, x: np.ndarray, below: float = 1.0) -> np.ndarray:
        """Scores (n, classes) of all classes; one that could not be learnt has so much less than any other."""
        return self.present.scores(self.probe.scores(x), below)

    @property
    def diagnostics(self) -> dict[str, Any]:
        """Those of the probe, and the classes that are absent."""
        return {**self.probe.diagnostics, **self.present.diagnostics}


def fitted(got: Embeddings) -> Fitted:
    """The probe of a task's train and validation, single-label.

    Raises ProtocolError for an empty split, values that are not finite, and as `present_classes`.
    """
    (train, val), (test,) = got.tuning, got.test
    for split, what in ((train, "train"), (val, "val"), (test, "test")):
        check_split(split, what)
    present = present_classes(test.class_names, train.label, "train", may_lack=got.deviates)
    learnt = present.only(val)
    check_split(learnt, "val, of the classes that train has,")
    probe = few_strengths(present.only(train), learnt, len(present), got.metric, got.device)
    return Fitted(probe=probe, present=present)


def few_strengths(train: TuningSplit, val: TuningSplit, classes: int, metric: str, device: str) -> Chosen:
    """The logistic regression on train that is best on validation: validation stays free for what comes after, a temperature.

    Of equal ones the strongest penalty. Labels are int (n,). `device` is that of the embeddings it was called for.
    """
    path = logistic.fit_path(train.x, train.label, classes, STRENGTHS, gap=GAP, device=device)
    scores = [
        classification.value(metric, classification.judge(logits, val.label).credit, val.label) for logits in path.scores(val.x)
    ]
    best = max(range(len(scores)), key=lambda place: (round(scores[place], 12), path[place].strength))
    return Chosen(solution=path[best], gap=max(one.relative_gap for one in path), proven=all(one.converged for one in path))
