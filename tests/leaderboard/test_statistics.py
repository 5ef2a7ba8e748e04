"""The statistics of the board against SciPy, closed forms and simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from repbench.leaderboard import aggregates, judge, redundancy, shares
from repbench.leaderboard.tables import make_board
from repbench.measure import intervals
from repbench.results.record import metric
from tests.leaderboard.test_tables import record

RNG = np.random.default_rng


def test_all_pairs_at_once_are_the_paired_t_statistic() -> None:
    rows = RNG(4).normal(size=(6, 300)) + np.linspace(0, 0.4, 6)[:, None]
    bound = stats.norm.isf(0.025 / 5)
    want = np.array([[stats.ttest_rel(a, b).statistic > bound if a is not b else False for b in rows] for a in rows])
    assert np.array_equal(judge.significantly_better(rows), want)


def test_rank_intervals_hold_the_true_rank_and_ties_share_a_group() -> None:
    rng, held, narrow = RNG(5), 0, 0
    for _ in range(60):
        rows = (rng.random((5, 400)) < np.array([0.9, 0.7, 0.7, 0.5, 0.3])[:, None]) / 400
        stand = judge.standings(rows, 0)
        truth = [(1, 1), (2, 3), (2, 3), (4, 4), (5, 5)]
        held += all(
            (one.rank_low or 9) <= high and (one.rank_high or 0) >= low for one, (low, high) in zip(stand, truth, strict=True)
        )
        assert stand[0].bold
        assert not stand[4].bold
        narrow += sum((one.rank_high or 9) - (one.rank_low or 0) for one in stand) == 2  # only the second and third are open
    assert held >= 55
    assert narrow >= 50
    same = judge.standings(np.ones((3, 10)), 0)
    assert [one.group for one in same] == [1, 1, 1]
    assert all(one.bold for one in same)


def test_intervals_cover_as_often_as_they_say_also_in_clusters() -> None:
    rng, plain, clustered = RNG(6), 0, 0
    for seed in range(200):
        level = rng.normal(size=40)
        values = (level[:, None] + 0.3 * rng.normal(size=(40, 8))).ravel()
        groups = np.repeat(np.arange(40), 8)
        low, high = intervals.bootstrap_mean(values, seed, groups=groups, draws=400)
        clustered += low <= 0 <= high
        low, high = intervals.bootstrap_mean(values, seed, draws=400)
        plain += low <= 0 <= high
    assert 0.89 <= clustered / 200 <= 0.99
    assert plain / 200 < 0.7  # what ignoring the clusters would do


def test_ranks_borda_and_correlations_are_scipys_and_nothing_missing_is_filled() -> None:
    x = RNG(7).random((6, 4))
    x[0, 2:] = np.nan
    for column in (2, 3):
        assert aggregates.ranks(x)[1:, column] == pytest.approx(stats.rankdata(-x[1:, column]))
    assert aggregates.mean_rank(x)[0] == pytest.approx(np.mean([stats.rankdata(-x[:, c])[0] for c in (0, 1)]))
    wins = [np.mean([(x[1, c] > x[k, c]) for k in range(6) if k != 1 and np.isfinite(x[k, c])]) for c in range(4)]
    assert aggregates.borda(x)[1] == pytest.approx(np.mean(wins))
    want = stats.spearmanr(x[1:, 0], x[1:, 2]).statistic
    assert redundancy.correlations(x, list("abcd")).loc["a", "c"] == pytest.approx(want)


def test_dropping_each_task_gives_the_places_of_the_smaller_boards() -> None:
    x = RNG(8).random((5, 3))
    places = [stats.rankdata(aggregates.mean_rank(np.delete(x, task, axis=1)).round(9), method="min") for task in range(3)]
    assert aggregates.drop_one(x) == pytest.approx(np.stack([np.min(places, axis=0), np.max(places, axis=0)], axis=1))


def test_chance_is_nought_and_perfect_is_one() -> None:
    values = pd.DataFrame({"a": [0.1, 1.0, np.nan], "b": [0.5, 1.0, 0.75]})
    assert aggregates.normalised(values, {"a": 0.1, "b": 0.5}) == pytest.approx([0, 1, 0.5])


def test_a_copied_task_is_not_needed_to_keep_the_ranking() -> None:
    base = RNG(9).random(30)
    x = np.stack([base, base, base**2, base + 0.001], axis=1)
    [(task, agreement)] = redundancy.keeping_subset(x, list("abcd"))
    assert task == "a"
    assert agreement == pytest.approx(1.0)


def test_shares_add_up_to_the_metric_and_a_metric_that_does_not_add_up_has_none() -> None:
    examples = pd.DataFrame({"id": list("wxyz"), "truth": list("aaab"), "score": [1.0, 0.0, 0.0, 1.0]})
    accuracy = shares.shares_of(record("e", "knn/x", 0.5), examples)
    by_class = {"mean-per-class": metric((1 / 3 + 1) / 2, 0.0, 1.0)}
    per_class = shares.shares_of(replace(record("e", "knn/x", 0.5), primary="mean-per-class", metrics=by_class), examples)
    assert accuracy is not None
    assert per_class is not None
    assert per_class.added == pytest.approx([1 / 6, 0, 0, 1 / 2])
    assert shares.shares_of(record("e", "knn/x", 0.77), examples) is None


def test_a_column_is_judged_by_id_whatever_the_order_and_without_examples_untested() -> None:
    rng = RNG(10)
    hits = {"good": rng.random(300) < 0.9, "near": None, "bad": rng.random(300) < 0.3}
    hits["near"] = hits["good"].copy()
    hits["near"][:2] ^= True
    frames = {
        name: pd.DataFrame({"id": [f"i{k}" for k in range(300)], "score": one.astype(float)}) for name, one in hits.items()
    }
    frames["near"] = frames["near"].sample(frac=1, random_state=0)
    records = [record(name, "knn/x", float(frame.score.mean())) for name, frame in frames.items()]
    board = make_board([*records, record("told", "knn/x", 0.99)])
    verdicts = judge.judge(board, lambda one: frames.get(one.encoder))
    assert verdicts["good", "knn/x"].bold
    assert verdicts["near", "knn/x"].bold
    assert verdicts["bad", "knn/x"].group == 2
    assert not verdicts["told", "knn/x"].tested
    clustered = {name: frame.assign(cluster=frame["id"].str[:2]) for name, frame in frames.items()}
    wide = judge.judge(make_board([replace(one) for one in records]), lambda one: clustered[one.encoder])
    assert wide["good", "knn/x"].low != verdicts["good", "knn/x"].low


def test_an_encoder_that_is_truly_best_is_bold_as_often_as_promised() -> None:
    """Of eight equals each is a best one: the first of them may lose its bold in at most 5 % of columns."""
    rng, lost = RNG(12), 0
    for seed in range(200):
        skill = rng.normal(size=300)  # hard and easy examples, the same for all
        rows = (rng.normal(size=(8, 300)) < skill) / 300
        lost += not judge.standings(rows, seed)[0].bold
    assert stats.binomtest(lost, 200, 0.05, alternative="greater").pvalue > 0.01


def test_paired_differences_cover_the_truth_as_often_as_they_say() -> None:
    rng, held = RNG(13), 0
    for _ in range(400):
        skill = rng.normal(size=200)
        rows = np.stack([rng.normal(size=200) < skill + 0.5, rng.normal(size=200) < skill]) / 200
        truth = stats.norm.cdf(0.5 / np.sqrt(2)) - 0.5
        error = judge.difference_errors(rows)[0, 1]
        held += abs(rows[0].sum() - rows[1].sum() - truth) <= 1.96 * error
    assert 0.92 <= held / 400 <= 0.98
