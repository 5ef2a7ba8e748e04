"""Credits, metrics and chance against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from repbench.errors import ProtocolError
from repbench.measure import classification
from repbench.measure.classification import judge

RNG = np.random.default_rng(0)
TRUTH = RNG.choice(6, size=400, p=[0.4, 0.2, 0.2, 0.1, 0.07, 0.03])
SCORES = RNG.normal(size=(400, 6)) + 1.5 * np.eye(6)[TRUTH]


def test_metrics_are_those_of_scikit_learn() -> None:
    judged = judge(SCORES, TRUTH)
    predicted = SCORES.argmax(axis=1)
    assert_array_equal(judged.prediction, predicted)
    assert classification.accuracy(judged.credit) == pytest.approx(accuracy_score(TRUTH, predicted), abs=1e-15)
    reference = balanced_accuracy_score(TRUTH, predicted)
    assert classification.mean_per_class(judged.credit, TRUTH) == pytest.approx(reference, abs=1e-15)
    assert judged.tie_rate == 0.0


def test_a_tie_scores_what_guessing_among_the_tied_scores() -> None:
    scores = np.array([[2.0, 2.0, 1.0], [2.0, 2.0, 1.0], [2.0, 2.0, 1.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    judged = judge(scores, np.array([0, 1, 2, 2, 1]))
    assert judged.credit.tolist() == [0.5, 0.5, 0.0, pytest.approx(1 / 3), 1.0]
    assert judged.prediction.tolist() == [0, 0, 0, 0, 1]
    assert judged.tied.tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_rounding_is_a_tie_and_a_real_difference_is_none(scale: float) -> None:
    rounding = np.array([[scale, scale * (1 + 1e-13), 0.0]])
    difference = np.array([[scale, scale + 1e-6 * max(1.0, scale), 0.0]])
    assert judge(rounding, np.array([0])).credit.tolist() == [0.5]
    assert judge(difference, np.array([0])).credit.tolist() == [0.0]


def test_the_order_of_classes_does_not_matter_to_credit() -> None:
    scores = np.round(SCORES)  # many ties
    order = np.array([3, 1, 5, 0, 2, 4])
    renamed = np.argsort(order)[TRUTH]
    assert_array_equal(judge(scores, TRUTH).credit, judge(scores[:, order], renamed).credit)


def test_value_finds_the_metric_by_name() -> None:
    credit = judge(SCORES, TRUTH).credit
    assert classification.value("accuracy", credit, TRUTH) == classification.accuracy(credit)
    assert classification.value("mean-per-class", credit, TRUTH) == classification.mean_per_class(credit, TRUTH)
    with pytest.raises(ProtocolError, match="top-1"):
        classification.value("top-1", credit, TRUTH)


def test_the_mean_is_over_the_classes_that_occur() -> None:
    assert classification.mean_per_class(np.array([1.0, 0.0, 0.0]), np.array([4, 4, 7])) == 0.25


def test_chance_is_the_better_of_guessing_evenly_and_always_the_commonest_class() -> None:
    train = RNG.choice(6, size=1000, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((1000, 1)), train).score(np.zeros((400, 1)), TRUTH)
    assert classification.chance("accuracy", TRUTH, 6, train) == pytest.approx(dummy)
    assert classification.chance("accuracy", TRUTH, 6) == pytest.approx(1 / 6)
    assert classification.chance("accuracy", TRUTH, 6, np.full(9, 5)) == pytest.approx(1 / 6)  # class 5 is rare in test
    assert classification.chance("mean-per-class", TRUTH, 6, train) == pytest.approx(1 / 6)


def test_chance_averages_classes_equally_common_in_train() -> None:
    truth = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 3])
    assert classification.chance("accuracy", truth, 4, np.array([0, 1, 0, 1, 2, 3])) == pytest.approx(0.4)
    with pytest.raises(ProtocolError, match="top-1"):
        classification.chance("top-1", truth, 4)


@pytest.mark.parametrize(
    ("scores", "truth", "match"),
    [
        (np.array([[np.nan, 1.0], [0.0, 1.0]]), np.array([0, 1]), "1 of 2 examples"),
        (np.array([[np.inf, 1.0]]), np.array([0]), "infinite"),
        (np.empty((0, 3)), np.empty(0, dtype=int), "n > 0"),
        (np.empty((3, 0)), np.zeros(3, dtype=int), "classes"),
        (np.ones((2, 3)), np.array([0]), "1 labels"),
        (np.ones((1, 3)), np.array([3]), "3 to 3"),
        (np.ones((1, 3)), np.array([-1]), "-1"),
    ],
)
def test_scores_that_cannot_be_judged_are_refused(scores: np.ndarray, truth: np.ndarray, match: str) -> None:
    with pytest.raises(ProtocolError, match=match):
        judge(scores, truth)
