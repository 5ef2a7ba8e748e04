"""Average precision against the definition written out in fractions, and against scikit-learn."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score

from repbench.errors import ProtocolError
from repbench.measure import average_precision


def world(seed: int, n: int = 60, classes: int = 5, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.choice([1, -1, 0], p=[0.3, 0.6, 0.1], size=(n, classes))
    scores = rng.normal(size=(n, classes)) + 0.8 * label
    return (scores if levels is None else np.round(scores * levels) / levels), label


def by_the_book(scores: np.ndarray, label: np.ndarray) -> Fraction:
    """Eleven-point average precision of one class: every threshold, every recall, in exact fractions."""
    pairs = [(s, y) for s, y in zip(scores, label, strict=True) if y != 0]
    positives = sum(y == 1 for _, y in pairs)
    reached = []
    for threshold in {s for s, _ in pairs}:
        taken = [y for s, y in pairs if s >= threshold]
        hits = sum(y == 1 for y in taken)
        reached.append((Fraction(hits, positives), Fraction(hits, len(taken))))
    points = [max(p for recall, p in reached if recall >= Fraction(point, 10)) for point in range(11)]
    return sum(points, Fraction(0)) / 11


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("levels", [None, 2])
def test_eleven_points_are_those_of_the_definition(seed: int, levels: int | None) -> None:
    scores, label = world(seed, levels=levels)
    found = average_precision.eleven_point(scores, label)
    expected = [float(by_the_book(scores[:, c], label[:, c])) for c in range(5)]
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_worked_example_of_five_images() -> None:
    scores = np.array([[5.0], [4.0], [3.0], [2.0], [1.0]])
    label = np.array([[1], [-1], [1], [-1], [-1]])
    # recall 0 to 0.5: precision 1; recall 0.6 to 1: precision 2/3
    assert average_precision.eleven_point(scores, label)[0] == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_a_recall_of_three_in_ten_reaches_the_point_zero_point_three() -> None:
    label = np.array([[1]] * 3 + [[-1]] * 27 + [[1]] * 7)
    scores = -np.arange(37.0)[:, None]
    # 0 to 0.3: precision 1; then the best is at the last, 10 of 37
    assert average_precision.eleven_point(scores, label)[0] == pytest.approx((4 + 7 * 10 / 37) / 11)


@pytest.mark.parametrize("levels", [None, 2])
def test_all_points_are_scikit_learn_s(levels: int | None) -> None:
    scores, label = world(3, levels=levels)
    judged = label != 0
    expected = [average_precision_score(label[judged[:, c], c] > 0, scores[judged[:, c], c]) for c in range(5)]
    assert average_precision.all_points(scores, label) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 2])
def test_label_ranking_is_scikit_learn_s(levels: int | None) -> None:
    scores, label = world(4, levels=levels)
    label = np.where(label > 0, 1, -1)
    found = average_precision.label_ranking(scores, label)
    assert found.mean() == pytest.approx(label_ranking_average_precision_score(label > 0, scores))


def test_a_constant_score_earns_the_share_of_positives() -> None:
    _, label = world(5)
    flat = np.full(label.shape, 0.1) + 1e-13 * np.arange(len(label))[:, None]
    assert average_precision.mean(average_precision.eleven_point(flat, label)) == pytest.approx(average_precision.chance(label))
    shares = [(label[:, c] == 1).sum() / (label[:, c] != 0).sum() for c in range(5)]
    assert average_precision.chance(label) == pytest.approx(np.mean(shares))


def test_what_is_not_to_be_judged_changes_nothing() -> None:
    scores, label = world(6)
    moved = np.where(label == 0, 99.0, scores)
    assert np.array_equal(average_precision.eleven_point(scores, label), average_precision.eleven_point(moved, label))
    assert np.array_equal(average_precision.label_ranking(scores, label), average_precision.label_ranking(moved, label))


def test_a_class_without_positives_is_left_out_of_the_mean() -> None:
    scores, label = world(7)
    label[:, 2] = -1
    by_class = average_precision.eleven_point(scores, label)
    assert np.isnan(by_class).tolist() == [False, False, True, False, False]
    assert average_precision.mean(by_class) == pytest.approx(by_class[[0, 1, 3, 4]].mean())
    with pytest.raises(ProtocolError, match="no class has a positive example"):
        average_precision.mean(average_precision.eleven_point(scores, -np.ones_like(label)))


def test_the_bootstrap_is_that_of_drawing_rows_around_the_value() -> None:
    scores, label = world(8, n=80)
    rng = np.random.default_rng(1)
    drawn = [rng.integers(80, size=80) for _ in range(1500)]
    kinds = (average_precision.eleven_point, average_precision.all_points)
    plain = [[average_precision.mean(kind(scores[rows], label[rows])) for rows in drawn] for kind in kinds]
    found = average_precision.bootstrap(scores, label, 0, draws=4000)
    for kind, (low, high), means in zip(kinds, found, plain, strict=True):
        value = average_precision.mean(kind(scores, label))
        assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975]) - np.mean(means) + value), abs=0.01)
        assert low < value < high


def drawn_world(rng: np.random.Generator, n: int, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Six classes, each in one example of ten, that score `signal` more where they are."""
    there = rng.random((n, 6)) < 0.1
    return rng.normal(size=(n, 6)) + signal * there, np.where(there, 1, -1)


@pytest.mark.parametrize(("n", "signal"), [(40, 0.3), (40, 1.5), (200, 1.0)])
def test_the_interval_holds_its_value_and_what_other_images_give(n: int, signal: float) -> None:
    """200 test sets; what holds in 95 of 100 holds in 90 to 99 of them. Plain percentiles hold it in 80 to 91 of 100."""
    rng = np.random.default_rng(5)
    others = [average_precision.mean(average_precision.eleven_point(*drawn_world(rng, n, signal))) for _ in range(800)]
    held = []
    for number in range(200):
        scores, label = drawn_world(rng, n, signal)
        (low, high), _ = average_precision.bootstrap(scores, label, number, draws=250)
        assert low <= average_precision.mean(average_precision.eleven_point(scores, label)) <= high
        held.append(low <= np.mean(others) <= high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_the_order_of_examples_does_not_matter() -> None:
    scores, label = world(9)
    order = np.random.default_rng(0).permutation(len(label))
    assert average_precision.bootstrap(scores, label, 3) == average_precision.bootstrap(scores[order], label[order], 3)


@pytest.mark.parametrize(
    ("scores", "label", "words"),
    [
        (np.zeros((3, 2)), np.ones((3, 3)), "one shape"),
        (np.zeros((3, 2)), np.full((3, 2), 2), "1, -1 or 0"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "3 of 3 examples are NaN"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores: np.ndarray, label: np.ndarray, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        average_precision.eleven_point(scores, label)
