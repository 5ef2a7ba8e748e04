"""Few-shot: the draws, the curve and its intervals, against scikit-learn and under classes that are short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.protocols.few_shot import FewShot, draw

RNG = np.random.default_rng(0)
CLASSES = ("ant", "bee", "cat")
CENTRES = RNG.normal(size=(3, 6))


def embeddings(counts: tuple[int, ...] = (20, 20, 20), metric: str = "accuracy", noise: float = 1.2) -> Embeddings:
    label, truth = np.repeat(np.arange(3), counts), np.repeat(np.arange(3), (30, 20, 10))
    made = [(CENTRES[y] + noise * RNG.normal(size=(len(y), 6))).astype(np.float32) for y in (label, truth)]
    ids = [np.arange(len(y)).astype(str) for y in (label, truth)]
    pool = TuningSplit(x=made[0], label=label, ids=ids[0], columns={}, class_names=CLASSES)
    test = TestSplit(x=made[1], truth=truth, ids=ids[1], columns={}, class_names=CLASSES)
    return Embeddings(tuning=(pool,), test=(test,), metric=metric)


def test_a_draw_has_so_many_of_each_class_and_holds_the_draw_of_fewer() -> None:
    label = np.repeat(np.arange(3), (20, 5, 20))
    few, many = draw(label, 3, (2, 8), draws=6, seed=0)
    assert few.shape == (6, 6)
    assert many.shape == (6, 8 + 5 + 8)  # a class of five gives all that it has
    for small, large in zip(few, many, strict=True):
        assert np.bincount(label[small]).tolist() == [2, 2, 2]
        assert len(set(large.tolist())) == len(large)
        assert set(small.tolist()) <= set(large.tolist())
    assert len({tuple(sorted(row)) for row in few.tolist()}) > 1


def test_the_curve_is_the_mean_over_draws_of_scikit_learns_accuracy() -> None:
    got = embeddings()
    (pool,), (test,) = got.tuning, got.test
    unit = [x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (pool.x, test.x)]
    outcome = FewShot(shots=(1, 4), draws=5).score(got, seed=3)
    for shot, rows in zip((1, 4), draw(pool.label, 3, (1, 4), 5, 3), strict=True):
        values = [
            LogisticRegression(tol=1e-10, max_iter=5000).fit(unit[0][one], pool.label[one]).score(unit[1], test.truth)
            for one in rows
        ]
        assert outcome.metrics[f"accuracy-{shot}-shot"].value == pytest.approx(np.mean(values))


def test_at_one_shot_a_strong_penalty_makes_it_the_example_that_is_most_like_an_image() -> None:
    """To first order in 1 / strength class c scores x_c . (x - mean of the shots): free intercepts take the mean."""
    got = embeddings()
    (pool,), (test,) = got.tuning, got.test
    unit = [x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (pool.x, test.x)]
    (rows,) = draw(pool.label, 3, (1,), 20, 0)
    shots = [unit[0][one] for one in rows]
    nearest = [
        pool.label[one][((unit[1] - x.mean(axis=0)) @ x.T).argmax(axis=1)] == test.truth
        for one, x in zip(rows, shots, strict=True)
    ]
    outcome = FewShot(shots=(1,), strength=30.0).score(got, seed=0)
    assert outcome.metrics["accuracy-1-shot"].value == pytest.approx(np.mean(nearest), abs=0.005)


def test_examples_add_up_to_the_primary_metric_of_the_dataset() -> None:
    for metric in ("accuracy", "mean-per-class"):
        outcome = FewShot(draws=4).score(embeddings(metric=metric), seed=0)
        assert outcome.primary == f"{metric}-over-shots"
        rows = outcome.examples
        value = rows.score.mean() if metric == "accuracy" else rows.groupby("truth").score.mean().mean()
        assert outcome.metrics[outcome.primary].value == pytest.approx(value)
        points = [outcome.metrics[f"{metric}-{shot}-shot"].value for shot in (1, 2, 4, 8, 16)]
        assert outcome.metrics[outcome.primary].value == pytest.approx(np.mean(points))


def test_the_interval_holds_the_chance_of_the_draw() -> None:
    """Where test examples hardly differ in difficulty, it is Student's interval of the draws' values, or wider."""
    outcome = FewShot(shots=(1,), draws=20).score(embeddings(noise=1.0), seed=0)
    one = outcome.metrics["accuracy-1-shot"]
    more = FewShot(shots=(1,), draws=200).score(embeddings(noise=1.0), seed=0).metrics["accuracy-1-shot"]
    assert one.low < one.value < one.high
    assert more.high - more.low < one.high - one.low


def test_no_interval_leaves_what_a_share_can_be() -> None:
    metrics = FewShot(shots=(1, 2), draws=2).score(embeddings(noise=0.35), seed=0).metrics.values()
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in metrics)
    assert any(one.high == 1 > one.value for one in metrics)


def test_chance_is_that_of_a_guess_among_the_classes_that_could_be_learnt() -> None:
    whole = FewShot(shots=(1,), draws=2).score(embeddings(), seed=0)
    assert set(whole.chances.values()) == {whole.chance} == {1 / 3}
    lost = FewShot(shots=(1,), draws=2).score(replace(embeddings((20, 20, 0)), deviates=True), seed=0)
    assert lost.chances["accuracy-1-shot"] == pytest.approx(50 / 60 / 2)  # of 30, 20 and 10 to test on the last 10 are lost
    assert lost.chances["mean-per-class-1-shot"] == pytest.approx(2 / 3 / 2)


def test_classes_with_fewer_examples_are_named() -> None:
    outcome = FewShot(draws=2).score(embeddings((20, 7, 20)), seed=0)
    assert outcome.diagnostics["classes_that_are_short"] == ["bee"]
    assert outcome.diagnostics["relative_gap"] < 1e-6


@pytest.mark.parametrize("options", [{"shots": ()}, {"shots": (4, 1)}, {"shots": (0, 1)}, {"draws": 1}, {"strength": 0.0}])
def test_options_that_mean_nothing_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|needs at least"):
        FewShot(**options)  # type: ignore[arg-type]
