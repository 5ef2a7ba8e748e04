"""What protocols share: checking what they were given, and turning class scores into an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure import classification, intervals
from repbench.measure.classification import Judged
from repbench.protocol import Estimate, Outcome


def check_split(split: TuningSplit | TestSplit, what: str, *, dimensions: int = 2) -> None:
    """Raise ProtocolError, naming the split by `what`, unless it has rows, all finite, in an array of that many dimensions."""
    if not len(split):
        raise ProtocolError(f"the {what} split is empty: there is nothing to score.")
    if split.x.ndim != dimensions:
        shape = "(n, dim)" if dimensions == 2 else "(n, crops, dim)"
        raise ProtocolError(f"the {what} embeddings have shape {split.x.shape}; expected {shape}.")
    finite = np.isfinite(split.x).all(axis=tuple(range(1, dimensions)))
    if not finite.all():
        raise ProtocolError(f"{int((~finite).sum())} of {len(split)} {what} embeddings are NaN or infinite.")


def check_classes(class_names: tuple[str, ...], label: np.ndarray, what: str) -> None:
    """Raise ProtocolError unless there are two classes or more and each occurs in `label`; names those that do not."""
    if len(class_names) < 2:
        raise ProtocolError(f"classification needs two classes or more; the dataset has {len(class_names)}.")
    counts = np.bincount(label, minlength=len(class_names))
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
    """Outcome of class scores (n, classes) on `test`; `metric` ("accuracy" or "mean-per-class") is the primary one.

    Both are reported, and the `further` ones. `train_label` is what always guessing the commonest class is judged by. Raises
    ProtocolError where the scores cannot be judged.
    """
    if len(test.class_names) < 2:
        raise ProtocolError(f"classification needs two classes or more; the dataset has {len(test.class_names)}.")
    judged = classification.judge(scores, test.truth)
    return Outcome(
        primary=metric,
        metrics={**_estimates(judged, test.truth, seed), **(further or {})},
        examples=_examples(judged, test),
        chance=classification.chance(metric, test.truth, len(test.class_names), train_label),
        diagnostics={**(diagnostics or {}), "tie_rate": judged.tie_rate},
    )


def accuracy_estimate(scores: np.ndarray, truth: np.ndarray, seed: int) -> Estimate:
    """Accuracy of class scores (n, classes) with its interval. Raises ProtocolError where they cannot be judged."""
    credit = classification.judge(scores, truth).credit
    return _estimate(classification.accuracy(credit), intervals.proportion(credit, seed))


def _estimates(judged: Judged, truth: np.ndarray, seed: int) -> dict[str, Estimate]:
    credit = judged.credit
    per_class = intervals.mean_per_class(credit, truth, seed)
    return {
        "accuracy": _estimate(classification.accuracy(credit), intervals.proportion(credit, seed)),
        "mean-per-class": _estimate(classification.mean_per_class(credit, truth), per_class),
    }


def _examples(judged: Judged, test: TestSplit) -> pd.DataFrame:
    names = np.array(test.class_names, dtype=object)
    return pd.DataFrame(
        {
            "id": test.ids,
            "truth": names[test.truth],
            "prediction": names[judged.prediction],
            "score": judged.credit,
            "tied": judged.tied,
        }
    )


def _estimate(value: float, interval: tuple[float, float]) -> Estimate:
    return Estimate(value=value, low=interval[0], high=interval[1])
