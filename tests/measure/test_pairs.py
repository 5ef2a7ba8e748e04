"""The rules of compositional probes, against the official scripts' formulae and against breaking ties at random."""

from __future__ import annotations

import numpy as np
import pytest

from repbench.errors import ProtocolError
from repbench.measure import pairs

SHAPES = {
    "one-image-many-captions": (1, 5),
    "many-images-one-caption": (10, 1),
    "two-true-captions": (1, 3),
    "winoground": (2, 2),
    "naturalbench": (2, 4),
}
CHANCE = {
    "one-image-many-captions": {"accuracy": 1 / 5},
    "many-images-one-caption": {"accuracy": 1 / 10},
    "two-true-captions": {"accuracy": 1 / 3},
    "winoground": {"text-score": 1 / 4, "image-score": 1 / 4, "group-score": 1 / 6},
    "naturalbench": {"accuracy": 1 / 2, "question-accuracy": 1 / 4, "image-accuracy": 1 / 4, "group-accuracy": 1 / 16},
}


def scores(rule: str, n: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *SHAPES[rule]))


def official(rule: str, s: np.ndarray) -> dict[str, np.ndarray]:
    """What the published evaluation scripts count, written out: strict comparisons, on scores of one example."""
    if rule == "one-image-many-captions":  # ARO, SugarCrepe, VALSE, What'sUp, CREPE
        return {"accuracy": np.array([all(e[0, 0] > e[0, k] for k in range(1, e.shape[1])) for e in s])}
    if rule == "many-images-one-caption":
        return {"accuracy": np.array([np.argmax(e[:, 0]) == 0 for e in s])}
    if rule == "two-true-captions":
        return {"accuracy": np.array([e[0, 0] > e[0, 2] and e[0, 1] > e[0, 2] for e in s])}
    if rule == "winoground":  # e[i, c]: image i with caption c
        text = np.array([e[0, 0] > e[0, 1] and e[1, 1] > e[1, 0] for e in s])
        image = np.array([e[0, 0] > e[1, 0] and e[1, 1] > e[0, 1] for e in s])
        return {"text-score": text, "image-score": image, "group-score": text & image}
    right = np.array([[[e[i, 2 * q + i] > e[i, 2 * q + (1 - i)] for q in (0, 1)] for i in (0, 1)] for e in s])
    return {
        "accuracy": right.mean(axis=(1, 2)),
        "question-accuracy": np.array([[r[0, q] and r[1, q] for q in (0, 1)] for r in right]).mean(axis=1),
        "image-accuracy": np.array([[r[i, 0] and r[i, 1] for i in (0, 1)] for r in right]).mean(axis=1),
        "group-accuracy": right.all(axis=(1, 2)),
    }


@pytest.mark.parametrize("rule", SHAPES)
def test_without_ties_the_credits_are_those_of_the_official_scripts(rule: str) -> None:
    s = scores(rule)
    judged = pairs.judge(rule, s)
    assert not judged.tied.any()
    expected = official(rule, s)
    assert set(judged.credits) == set(expected)
    for name, credit in expected.items():
        assert judged.credits[name] == pytest.approx(credit.astype(float), abs=0)


@pytest.mark.parametrize("rule", SHAPES)
def test_a_constant_scores_exactly_chance(rule: str) -> None:
    judged = pairs.judge(rule, np.full((7, *SHAPES[rule]), 0.3))
    assert judged.tied.all()
    for name, share in CHANCE[rule].items():
        assert judged.credits[name] == pytest.approx(np.full(7, share), abs=1e-15)
        assert judged.chance[name] == pytest.approx(np.full(7, share), abs=1e-15)


@pytest.mark.parametrize("rule", SHAPES)
def test_random_scores_come_near_to_chance(rule: str) -> None:
    judged = pairs.judge(rule, scores(rule, 40_000))
    for name, share in CHANCE[rule].items():
        assert judged.credits[name].mean() == pytest.approx(share, abs=4 * 0.5 / 200)


@pytest.mark.parametrize("rule", SHAPES)
def test_ties_earn_what_breaking_them_at_random_earns_on_average(rule: str) -> None:
    rng = np.random.default_rng(3)
    s = rng.integers(3, size=(40, *SHAPES[rule])).astype(float)  # many ties
    draws = 4000
    broken = np.repeat(s, draws, axis=0)
    broken = broken + 1e-3 * rng.random(broken.shape)
    judged, many = pairs.judge(rule, s), pairs.judge(rule, broken)
    for name, credit in judged.credits.items():
        mean = many.credits[name].reshape(40, draws).mean(axis=1)
        assert np.abs(mean - credit).max() < 5 * 0.5 / np.sqrt(draws), name


@pytest.mark.parametrize("rule", SHAPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_fails(rule: str, value: float) -> None:
    s = scores(rule, 5)
    s[3].flat[-1] = value
    with pytest.raises(ProtocolError, match="1 of 5 examples are NaN or infinite"):
        pairs.judge(rule, s)


def test_a_score_that_ignores_the_image_gets_no_text_and_no_group_credit() -> None:
    s = np.repeat(np.random.default_rng(1).normal(size=(50, 1, 2)), 2, axis=1)
    judged = pairs.judge("winoground", s)
    assert judged.credits["text-score"].max() == 0
    assert judged.credits["group-score"].max() == 0
    assert judged.credits["image-score"] == pytest.approx(np.full(50, 0.25))  # both images score alike


def test_where_the_number_of_candidates_differs_further_ones_do_not_count() -> None:
    s = np.array([[[1.0, 0.0, 9.0]], [[1.0, 1.0, 1.0]]])
    judged = pairs.judge("one-image-many-captions", s, np.array([2, 3]))
    assert judged.credits["accuracy"] == pytest.approx([1, 1 / 3])
    assert judged.chance["accuracy"] == pytest.approx([1 / 2, 1 / 3])


def test_examples_of_one_set_are_right_together() -> None:
    credit, sets = np.array([1.0, 1.0, 0.5, 0.5, 0.0]), np.array(["a", "a", "b", "b", "c"])
    assert pairs.jointly(credit, sets) == pytest.approx([1.0, 0.25, 0.0])


def test_scores_that_float32_does_not_tell_apart_are_tied() -> None:
    s = np.array([[[0.3, 0.3 - 1e-8]], [[0.3, 0.3 - 1e-4]], [[-100.0, -100.00005]]])
    assert pairs.judge("one-image-many-captions", s).credits["accuracy"] == pytest.approx([0.5, 1, 0.5])


@pytest.mark.parametrize("shape", [(5, 2, 2), (5, 1, 1), (0, 1, 2), (5, 2)])
def test_scores_that_do_not_fit_the_rule_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError):
        pairs.judge("one-image-many-captions", np.zeros(shape))
