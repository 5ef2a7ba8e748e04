"""What protocols share: checking what they were given, and turning class scores into an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from repbench.datasets.declaration import ELEVEN_POINT, DatasetDeclaration
from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure import average_precision, classification, intervals
from repbench.measure.classification import Judged
from repbench.measure.finite import finite_rows
from repbench.protocol import Estimate, Outcome

if TYPE_CHECKING:
    from pandas import DataFrame


def table(columns: Mapping[str, Any]) -> DataFrame:
    """A table of named columns, for `Outcome.examples`. Pandas is imported here: listing the tasks must not wait for it."""
    from pandas import DataFrame

    return DataFrame(columns)


def check_split(split: TuningSplit | TestSplit, what: str, *, dimensions: int = 2) -> None:
    """Raise ProtocolError, naming the split by `what`, unless it has rows, all finite, in an array of that many dimensions."""
    if not len(split):
        raise ProtocolError(f"the {what} split is empty: there is nothing to score.")
    if split.x.ndim != dimensions:
        shape = "(n, dim)" if dimensions == 2 else "(n, crops, dim)"
        raise ProtocolError(f"the {what} embeddings have shape {split.x.shape}; expected {shape}.")
    finite = finite_rows(split.x)
    if not finite.all():
        raise ProtocolError(f"{int((~finite).sum())} of {len(split)} {what} embeddings are NaN or infinite.")


def check_classes(class_names: tuple[str, ...], label: np.ndarray, what: str) -> None:
    """Raise ProtocolError unless there are two classes or more and each occurs in `label`; names those that do not.

    `label` is int (n,), or (n, classes) of 1, -1, 0.
    """
    if len(class_names) < 2:
        raise ProtocolError(f"classification needs two classes or more; the dataset has {len(class_names)}.")
    counts = np.bincount(label, minlength=len(class_names)) if label.ndim == 1 else (label > 0).sum(axis=0)
    missing = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if missing:
        shown = ", ".join(repr(name) for name in missing[:8]) + (", …" if len(missing) > 8 else "")
        raise ProtocolError(f"{len(missing)} of {len(class_names)} classes have no example in {what}: {shown}.")


def classification_outcome(
    scores: np.ndarray,
    test: TestSplit,
    metric: str,
    seed: int,
    *,
    train_label: np.ndarray | None = None,
    diagnostics: Mapping[str, Any] | None = None,
    further: Mapping[str, Estimate] | None = None,
) -> Outcome:
    """Outcome of class scores (n, classes) on `test`; `metric` is the primary one.

    "accuracy" and "mean-per-class" are both reported, and the `further` ones, each of the kind its name begins with; where
    examples have several classes, the mean average precisions. `train_label` is what always guessing the commonest class is
    judged by. Raises ProtocolError where the scores cannot be judged.
    """
    if len(test.class_names) < 2:
        raise ProtocolError(f"classification needs two classes or more; the dataset has {len(test.class_names)}.")
    if test.truth.ndim == 2:
        return _multilabel_outcome(scores, test, seed, diagnostics or {})
    judged = classification.judge(scores, test.truth)
    further = further or {}
    kinds = {name: "mean-per-class" if name.startswith("mean-per-class") else "accuracy" for name in further}
    chances = {
        name: classification.chance(name, test.truth, len(test.class_names), train_label) for name in classification.METRICS
    }
    return Outcome(
        primary=metric,
        metrics={**estimates(judged, test, seed), **further},
        examples=_examples(judged, test),
        chance=classification.chance(metric, test.truth, len(test.class_names), train_label),
        chances=chances | {name: chances[kind] for name, kind in kinds.items()},
        diagnostics={**(diagnostics or {}), "tie_rate": judged.tie_rate},
    )


def single_label(dataset: DatasetDeclaration, what: str) -> str:
    """Why `what` cannot be asked of a dataset whose examples have several classes; an empty text for any other."""
    if not dataset.is_multilabel:
        return ""
    return f"{what} takes one class an example; those of {dataset.name} can have several (linear-probe takes them)."


def _multilabel_outcome(scores: np.ndarray, test: TestSplit, seed: int, diagnostics: Mapping[str, Any]) -> Outcome:
    """Mean average precisions; the score of an example is its label-ranking average precision, which is no share of them."""
    eleven = average_precision.eleven_point(scores, test.truth)
    ranking = average_precision.label_ranking(scores, test.truth)
    at_eleven, at_all = average_precision.bootstrap(scores, test.truth, seed)
    every = average_precision.mean(average_precision.all_points(scores, test.truth))
    return Outcome(
        primary=ELEVEN_POINT,
        metrics={
            ELEVEN_POINT: _estimate(average_precision.mean(eleven), at_eleven),
            "mean-average-precision": _estimate(every, at_all),
            "label-ranking-average-precision": _estimate(float(ranking.mean()), intervals.proportion(ranking, seed)),
        },
        examples=_multilabel_examples(scores, ranking, test),
        chance=average_precision.chance(test.truth),
        diagnostics={
            **diagnostics,
            "without_positives": [n for n, ap in zip(test.class_names, eleven, strict=True) if ap != ap],
        },
    )


def _multilabel_examples(scores: np.ndarray, ranking: np.ndarray, test: TestSplit) -> DataFrame:
    """One row an example: its classes, those not judged, and the score of each class, from which all metrics can be had."""
    names = np.array(test.class_names, dtype=object)
    return table(
        {
            "id": test.ids,
            "truth": [", ".join(names[row > 0]) for row in test.truth],
            "ignored": [", ".join(names[row == 0]) for row in test.truth],
            "prediction": names[np.asarray(scores).argmax(axis=1)],  # the class that scores most
            "score": ranking,
            **{f"score of {name}": column for name, column in zip(names, np.asarray(scores, dtype=float).T, strict=True)},
        }
    )


def estimates(judged: Judged, test: TestSplit, seed: int) -> dict[str, Estimate]:
    """Accuracy and mean per class of what was judged on `test`, with their intervals."""
    credit, truth = judged.credit, test.truth
    per_class = intervals.mean_per_class(credit, truth, seed, groups=test.clusters)
    return {
        "accuracy": _estimate(classification.accuracy(credit), intervals.proportion(credit, seed, groups=test.clusters)),
        "mean-per-class": _estimate(classification.mean_per_class(credit, truth), per_class),
    }


def _examples(judged: Judged, test: TestSplit) -> DataFrame:
    names = np.array(test.class_names, dtype=object)
    return table(
        {
            "id": test.ids,
            "truth": names[test.truth],
            "prediction": names[judged.prediction],
            "score": judged.credit,
            "tied": judged.tied,
            **({} if test.clusters is None else {"cluster": test.clusters}),
        }
    )


def _estimate(value: float, interval: tuple[float, float]) -> Estimate:
    return Estimate(value=value, low=interval[0], high=interval[1])
