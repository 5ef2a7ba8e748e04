"""Two embeddings of the same items, compared."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from repbench.embeddings.fidelity import TEMPERATURE, K, fidelity, spread, vote_of_others

X = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], dtype=np.float32)
LABEL = np.array([0, 0, 1, 1])


def test_equal_embeddings_are_equal_in_every_respect() -> None:
    found = fidelity(X, X, LABEL)
    assert (found.items, found.largest_difference, found.neighbour_flips) == (4, 0.0, 0)
    assert found.least_cosine == found.mean_cosine == found.centred_cosine == 1.0


def test_a_common_shift_hides_in_the_cosine_and_shows_in_the_centred_one() -> None:
    far = X + 1000
    other = far.copy()
    other[0] = far[2]
    found = fidelity(far, other, LABEL)
    assert found.least_cosine > 0.999999
    assert found.centred_cosine < 0.6


def test_a_neighbour_of_another_class_is_a_flip_and_one_of_the_same_class_is_none() -> None:
    other = X.copy()
    other[0] = [-0.1, 1.0]
    assert fidelity(X, other, LABEL).neighbour_flips == 3  # the moved item, the one that it left, and the one that it came to
    assert fidelity(X, other, np.zeros(4, dtype=int)).neighbour_flips == 0
    assert fidelity(X, other, LABEL).largest_difference == pytest.approx(1.1)


def test_the_others_vote_as_scikit_learns_neighbours_do() -> None:
    generator = np.random.default_rng(0)
    label = generator.integers(0, 4, 60)
    x = generator.normal(size=(60, 8)) + generator.normal(size=(4, 8))[label]
    expected = []
    for place in range(60):
        others = np.arange(60) != place
        model = KNeighborsClassifier(
            K, metric="cosine", algorithm="brute", weights=lambda distances: np.exp((1 - distances) / TEMPERATURE)
        )
        expected += model.fit(x[others], label[others]).predict(x[[place]]).tolist()
    assert vote_of_others(x, label).tolist() == expected


def test_a_vote_for_another_class_is_a_flip() -> None:
    generator = np.random.default_rng(0)
    label = np.repeat([0, 1], 30)
    x = np.where(label[:, None] == 0, [1.0, 0.0], [0.0, 1.0]) + 0.1 * generator.normal(size=(60, 2))
    other = x.copy()
    other[:2] = x[-2:]
    assert fidelity(x, x, label).vote_flips == 0
    assert fidelity(x, other, label).vote_flips == 2
    assert fidelity(np.ones((60, 2)), np.ones((60, 2)), label).vote_flips == 0  # an item may not be among its equals


def test_without_classes_or_finite_numbers_there_is_no_vote() -> None:
    assert fidelity(X, X, np.zeros(4)).vote_flips is None
    assert fidelity(X, X * np.nan, LABEL).vote_flips is None


def test_rows_of_zeros_and_single_items_are_no_error() -> None:
    zeros = np.zeros((1, 3), dtype=np.float32)
    assert fidelity(zeros, zeros, np.zeros(1)).least_cosine == 1.0
    assert fidelity(zeros, zeros + 1, np.zeros(1)).least_cosine == 0.0


@pytest.mark.parametrize(("count", "most", "expected"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 1, [0]), (0, 4, [])])
def test_a_sample_is_spread_evenly(count: int, most: int, expected: list[int]) -> None:
    assert spread(count, most) == expected
