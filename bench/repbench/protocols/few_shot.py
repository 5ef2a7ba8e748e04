"""Few-shot classification: what a linear classifier makes of 1, 2, 4, 8, 16 examples a class, over many draws of them.

Embeddings at length one; L2-regularised multinomial logistic regression, summed loss, penalty 1 (C = 1 of scikit-learn: Tian et
al. 2020, "Rethinking few-shot image classification"). Nothing is chosen, so no example is needed beside the shots, and draws
come from train and validation together, as the bank of kNN does. The draws depend on seed and labels alone: all encoders learn
from the same examples, and those of fewer shots are among those of more.

The primary metric is the dataset's, mean over the points of the curve, each of them the mean over the draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import Need
from repbench.measure import classification, intervals
from repbench.measure.geometry import unit_rows
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome
from repbench.protocols._present import Present, present_classes
from repbench.protocols.knn import KNN

OVER = "over-shots"
GAP = 1e-6  # of the objective, proven


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """`shots` a class, in rising order; `draws` of them; `strength` of the penalty, on the summed loss."""

    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    draws: int = 20
    strength: float = 1.0
    version: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if not self.shots or list(self.shots) != sorted({shot for shot in self.shots if shot > 0}):
            raise ValueError(f"shots are {list(self.shots)}; expected rising numbers from 1.")
        if self.draws < 2:
            raise ValueError(f"draws is {self.draws}; an interval needs at least 2.")
        if not self.strength > 0:
            raise ValueError(f"strength is {self.strength}; expected a number above 0.")

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: train or test is missing, there is one class only, or examples have several."""
        return KNN().fits(dataset)

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Train and validation to draw from, and test: what kNN needs."""
        return KNN().needs(dataset)

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, one class only, values that are not finite, and as `present_classes`."""
        (pool,), (test,) = got.tuning, got.test
        check_split(pool, "train + val")
        check_split(test, "test")
        present = present_classes(pool.class_names, pool.label, "train + val", may_lack=got.deviates)
        classes = len(test.class_names)
        drawn = draw(pool.label, classes, self.shots, self.draws, seed)
        credit, gaps = self._credit(pool, test, drawn, present)
        metrics = _metrics(credit, self.shots, test, seed)
        by_shots, chances = credit.mean(axis=1), _chances(metrics, test, present)
        return Outcome(
            primary=f"{got.metric}-{OVER}",
            metrics=metrics,
            examples=table(
                {
                    "id": test.ids,
                    "truth": np.array(test.class_names, dtype=object)[test.truth],
                    "score": by_shots.mean(axis=0),
                    **{f"score at {_words(shot)}": row for shot, row in zip(self.shots, by_shots, strict=True)},
                    **({} if test.clusters is None else {"cluster": test.clusters}),
                }
            ),
            chance=chances[f"{got.metric}-{OVER}"],
            chances=chances,
            diagnostics={**self._diagnostics(pool, gaps), **present.diagnostics},
        )

    def _credit(
        self, pool: TuningSplit, test: TestSplit, drawn: list[np.ndarray], present: Present
    ) -> tuple[np.ndarray, list[float]]:
        """What each test example earns, (shots, draws, n), and the worst proven gap at each number of shots."""
        from repbench.measure.solver.stack import fit_stack  # brings torch, which listing the tasks must not wait for

        x, held_out = unit_rows(pool.x).astype(np.float32), unit_rows(test.x).astype(np.float32)
        label = present.label(pool.label)
        credit, gaps = np.empty((len(self.shots), self.draws, len(test))), []
        for place, rows in enumerate(drawn):
            stack = fit_stack(x, rows, label[rows], len(present), self.strength, gap=GAP)
            gaps.append(float(stack.relative_gap.max()))
            for one, scores in enumerate(stack.scores(held_out)):
                credit[place, one] = classification.judge(present.scores(scores), test.truth).credit
        return credit, gaps

    def _diagnostics(self, pool: TuningSplit, gaps: list[float]) -> dict[str, Any]:
        counts = np.bincount(pool.label, minlength=len(pool.class_names))
        short = [name for name, count in zip(pool.class_names, counts, strict=True) if count < self.shots[-1]]
        return {
            "draws": self.draws,
            "strength": self.strength,
            "relative_gap": max(gaps),
            "converged": max(gaps) <= GAP,
            "classes_that_are_short": short,
        }


def draw(label: np.ndarray, classes: int, shots: tuple[int, ...], draws: int, seed: int) -> list[np.ndarray]:
    """Places int (draws, examples) for each number of shots: so many of each class, or all where it has fewer."""
    rng = np.random.default_rng(seed)
    places = [np.flatnonzero(label == one) for one in range(classes)]
    orders = [np.stack([rng.permutation(place) for _ in range(draws)]) for place in places]
    return [np.concatenate([order[:, :shot] for order in orders], axis=1) for shot in shots]


def _words(shots: int) -> str:
    return f"{shots}-shot"


def _chances(metrics: Iterable[str], test: TestSplit, present: Present) -> dict[str, float]:
    """Of each metric, what a blind guess among the classes that could be learnt earns; of a whole copy 1 / classes."""
    known = np.isin(test.truth, present.places).astype(float)
    earned = {one: classification.value(one, known, test.truth) / len(present) for one in classification.METRICS}
    return {name: next(value for one, value in earned.items() if name.startswith(one)) for name in metrics}


def _metrics(credit: np.ndarray, shots: tuple[int, ...], test: TestSplit, seed: int) -> dict[str, Estimate]:
    """Both metrics at each number of shots and over all, from credit (shots, draws, n)."""
    metrics = {}
    for metric in ("accuracy", "mean-per-class"):
        for shot, part in zip(shots, credit, strict=True):
            metrics[f"{metric}-{_words(shot)}"] = _estimate(metric, part, test, seed)
        metrics[f"{metric}-{OVER}"] = _estimate(metric, credit.mean(axis=0), test, seed)
    return metrics


def _estimate(metric: str, credit: np.ndarray, test: TestSplit, seed: int) -> Estimate:
    """The mean over draws of credit (draws, n). Its interval is of other draws and other test examples, which are independent.

    Half-widths add as squares: the bootstrap over examples of their mean credit, and Student's over the draws' values. Both
    metrics are shares, so what reaches below 0 or beyond 1 is cut off.
    """
    from scipy.stats import t as student_t  # a second of loading, which listing the tasks must not wait for

    mean = credit.mean(axis=0)
    interval = intervals.mean_per_class(mean, test.truth, seed, groups=test.clusters) if metric == "mean-per-class" else None
    low, high = interval or intervals.proportion(mean, seed, groups=test.clusters)
    values = np.array([classification.value(metric, one, test.truth) for one in credit])
    value = classification.value(metric, mean, test.truth)
    half = float(student_t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    low, high = value - math.hypot(value - low, half), value + math.hypot(high - value, half)
    return Estimate(value=value, low=max(low, 0.0), high=min(high, 1.0))
