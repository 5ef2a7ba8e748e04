"""Bias to priors, against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from repbench.embeddings.embedded import TestSplit
from repbench.measure import priors
from repbench.protocols._priors import accuracy_by_frequency, prediction_prior

TRUTH = np.repeat([0, 1, 2], [30, 12, 6])


def split(truth: np.ndarray = TRUTH) -> TestSplit:
    ids = np.array([f"test/{k}" for k in range(len(truth))])
    return TestSplit(x=np.ones((len(truth), 2)), ids=ids, columns={}, class_names=("a", "b", "c"), truth=truth)


def test_a_tie_counts_in_parts() -> None:
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [3.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    assert priors.histogram(scores) == pytest.approx(np.array([0.5 + 0 + 1 + 1 / 3, 0.5 + 1 / 3, 1 + 1 / 3]) / 4)


def test_distance_and_spread_of_distributions() -> None:
    p, q = np.array([0.7, 0.2, 0.1, 0.0]), np.full(4, 0.25)
    assert priors.total_variation(p, q) == pytest.approx(0.45)
    assert priors.effective_classes(p) == pytest.approx(np.exp(entropy(p)))
    assert priors.effective_classes(q) == pytest.approx(4)


def test_thirds_keep_equal_counts_together() -> None:
    assert priors.thirds(np.array([1, 2, 3])).tolist() == [0, 1, 2]
    assert priors.thirds(np.array([5, 5, 5])).tolist() == [1, 1, 1]
    assert priors.thirds(np.array([1, 1, 9, 9])).tolist() == [0, 0, 2, 2]


def test_who_always_says_the_commonest_class_is_found_out() -> None:
    scores = np.tile([1.0, 0.0, 0.0], (len(TRUTH), 1))
    told = prediction_prior(scores, split())["prior"]
    assert told["total_variation"] == pytest.approx(1 - 30 / 48)
    assert told["effective_classes_said"] == pytest.approx(1)
    assert told["said_and_occurs"]["a"] == pytest.approx([1.0, 30 / 48])
    by = accuracy_by_frequency(scores, split(), 0)
    assert {name: one.value for name, one in by.items()} == {
        "mean-per-class:rare": 0,
        "mean-per-class:middling": 0,
        "mean-per-class:common": 1,
    }


def test_where_classes_are_equally_large_nothing_is_set_apart() -> None:
    assert accuracy_by_frequency(np.eye(3)[np.repeat([0, 1, 2], 4)], split(np.repeat([0, 1, 2], 4)), 0) == {}
