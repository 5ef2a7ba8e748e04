"""What zero-shot says of its bias to priors: how often each class is said beside how often it occurs, and who profits."""

from __future__ import annotations

from typing import Any

import numpy as np

from repbench.embeddings.embedded import TestSplit
from repbench.measure import classification, intervals, priors
from repbench.protocol import Estimate

SHOWN = 5  # classes that are said too often, and too seldom
NAMES = ("rare", "middling", "common")


def prediction_prior(scores: np.ndarray, test: TestSplit) -> dict[str, Any]:
    """How often class scores (n, classes) say each class, beside how often it occurs; {} for several classes an example."""
    if test.truth.ndim == 2 or len(test.class_names) < 2:
        return {}
    said = priors.histogram(scores)
    occurs = np.bincount(test.truth, minlength=len(test.class_names)) / len(test)
    order = np.argsort(-(said - occurs), kind="stable")
    shown = [*order[:SHOWN].tolist(), *order[::-1][:SHOWN].tolist()]
    return {
        "prior": {
            "total_variation": priors.total_variation(said, occurs),
            "effective_classes_said": priors.effective_classes(said),
            "effective_classes": priors.effective_classes(occurs),
            "said_and_occurs": {test.class_names[k]: [float(said[k]), float(occurs[k])] for k in dict.fromkeys(shown)},
        }
    }


def accuracy_by_frequency(scores: np.ndarray, test: TestSplit, seed: int) -> dict[str, Estimate]:
    """Mean per class over the rare, the middling and the common third of the classes; {} where all occur equally often."""
    if test.truth.ndim == 2 or len(test.class_names) < 2:
        return {}
    counts = np.bincount(test.truth, minlength=len(test.class_names))
    third = np.full(len(counts), 1)
    third[counts > 0] = priors.thirds(counts[counts > 0])
    if len(np.unique(third[counts > 0])) < 2:
        return {}
    credit = classification.judge(scores, test.truth).credit
    found = {}
    for number, name in enumerate(NAMES):
        rows = third[test.truth] == number
        if rows.any():
            groups = None if test.clusters is None else test.clusters[rows]
            low, high = intervals.mean_per_class(credit[rows], test.truth[rows], seed, groups=groups)
            value = classification.mean_per_class(credit[rows], test.truth[rows])
            found[f"mean-per-class:{name}"] = Estimate(value=value, low=min(low, value), high=max(high, value))
    return found
