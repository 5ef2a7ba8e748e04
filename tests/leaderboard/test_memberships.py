"""The paired test of average precision against draws and an average precision of its own, and how often it errs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repbench.datasets.declaration import ELEVEN_POINT
from repbench.leaderboard.differences import differences, side
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.memberships import matrices, paired
from repbench.results.files import write_record
from repbench.results.record import Metric
from tests.leaderboard.test_tables import record

NAMES = ("aeroplane", "bicycle", "bird", "boat")


def labels(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, classes) of 1, -1, 0."""
    return np.where(rng.random((n, 4)) < 0.05, 0, np.where(rng.random((n, 4)) < 0.2, 1, -1))


def scored(rng: np.random.Generator, label: np.ndarray, signal: float) -> np.ndarray:
    return signal * (label > 0) + rng.normal(size=label.shape)


def table(scores: np.ndarray, label: np.ndarray) -> pd.DataFrame:
    """Examples as a task of several classes an example writes them."""

    def listed(value: int) -> list[str]:
        return [", ".join(name for name, one in zip(NAMES, row, strict=True) if one == value) for row in label]

    columns = {f"score of {name}": scores[:, at] for at, name in enumerate(NAMES)}
    return pd.DataFrame({"id": [f"e{k:04d}" for k in range(len(label))], "truth": listed(1), "ignored": listed(0),
                         "prediction": "bird", "score": 0.5, **columns})  # fmt: skip


def eleven(scores: np.ndarray, label: np.ndarray) -> float:
    """The devkit's: at each of eleven recalls the best precision at that recall or more; mean over classes with positives."""
    found = []
    for score, truth in zip(scores.T, label.T, strict=True):
        judged = truth != 0
        score, truth = score[judged], truth[judged] > 0
        if not truth.any():
            continue
        points = []
        for threshold in np.unique(score[truth]):
            taken = score >= threshold
            points.append((int(truth[taken].sum()), truth[taken].mean()))
        best = [max(p for hits, p in points if 10 * hits >= k * truth.sum()) for k in range(11)]
        found.append(np.mean(best))
    return float(np.mean(found))


def test_scores_and_labels_come_back_out_of_the_examples() -> None:
    rng = np.random.default_rng(0)
    label = labels(rng, 30)
    scores = scored(rng, label, 1.0)
    found, truth = matrices(table(scores, label))
    assert np.array_equal(found, scores)
    assert np.array_equal(truth, label)


def test_gain_interval_and_p_are_those_of_drawing_rows() -> None:
    rng = np.random.default_rng(1)
    label = labels(rng, 60)
    old, new = scored(rng, label, 0.8), scored(rng, label, 1.3)
    found = paired(table(old, label), table(new, label).sample(frac=1, random_state=0), seed=0)
    assert found is not None
    assert found.gain == pytest.approx(eleven(new, label) - eleven(old, label))
    drawn = [rng.integers(60, size=60) for _ in range(1500)]
    gains = np.array([eleven(new[rows], label[rows]) - eleven(old[rows], label[rows]) for rows in drawn])
    around = gains - gains.mean()
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(around, [0.025, 0.975]) + found.gain), abs=0.015)
    assert found.p == pytest.approx(2 * min((around <= -found.gain).mean(), (around >= -found.gain).mean()), abs=0.03)
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    assert found.n == 60


def test_equals_are_told_apart_in_one_of_twenty_at_most_by_chance() -> None:
    """Of 100 pairs of equally good encoders 95 should be told no difference; 90 or more are."""
    rng, wrong = np.random.default_rng(2), []
    for number in range(100):
        label = labels(rng, 80)
        found = paired(*(table(scored(rng, label, 1.0), label) for _ in range(2)), seed=number)
        assert found is not None
        wrong.append(found.p < 0.05)
    assert np.mean(wrong) <= 0.1


def test_an_encoder_does_not_differ_from_itself() -> None:
    label = labels(np.random.default_rng(3), 40)
    one = table(scored(np.random.default_rng(4), label, 1.0), label)
    found = paired(one, one, seed=0)
    assert found is not None
    assert (found.gain, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_other_examples_other_labels_or_none_are_not_compared() -> None:
    label = labels(np.random.default_rng(5), 40)
    one = table(scored(np.random.default_rng(6), label, 1.0), label)
    for other in (None, one.iloc[1:], one.assign(truth="bird"), one.drop(columns="ignored"), one.assign(id="e")):
        assert paired(one, other, seed=0) is None


def test_compare_gives_a_verdict_on_average_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    label = labels(rng, 400)
    for name, signal in (("weak", 0.5), ("strong", 1.5)):
        scores = scored(rng, label, signal)
        value = eleven(scores, label)
        metrics = {ELEVEN_POINT: Metric(value=value, low=None, high=None)}
        made = record(name, "linear-probe/voc2007", 0.0, primary=ELEVEN_POINT, metrics=metrics, n=400)
        write_record(tmp_path, made, table(scores, label))
    board, read = open_board([tmp_path])
    (found,) = differences(side(board, read, "weak"), side(board, read, "strong"))
    assert found.verdict == "better"
    assert found.n == 400
    assert found.low is not None
    assert found.high is not None
    assert found.gain is not None
    assert 0 < found.low < found.gain < found.high
