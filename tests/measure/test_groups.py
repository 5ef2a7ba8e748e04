"""Groups against closed forms and against counts made by hand; clusters against repeated draws."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import multilabel_confusion_matrix

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure import group_intervals, groups, intervals
from repbench.protocols.groups import Groups


def test_each_group_has_its_share_with_wilsons_interval() -> None:
    column = np.repeat(["a", "b", "c"], [40, 20, 5])
    credit = np.concatenate([np.ones(30), np.zeros(10), np.ones(5), np.zeros(15), np.zeros(5)])
    found = groups.groups_of(column, credit)
    assert [(one.value, one.n, one.accuracy, one.ranked) for one in found] == [
        ("a", 40, 0.75, True), ("b", 20, 0.25, True), ("c", 5, 0.0, False),
    ]  # fmt: skip
    assert (found[0].low, found[0].high) == pytest.approx(tuple(binomtest(30, 40).proportion_ci(method="wilson")))
    assert groups.worst(found) == found[1]
    assert groups.gap(found) == 0.5


def test_equalised_odds_of_two_classes_are_the_larger_of_the_two_rates() -> None:
    column = np.repeat(["m", "w"], 100)
    truth = np.tile(np.repeat([1, 0], 50), 2)
    prediction = np.concatenate(
        [np.repeat([1, 0], [45, 5]), np.repeat([1, 0], [10, 40]), np.repeat([1, 0], [30, 20]), np.zeros(50)]
    )
    # true positive rates .9 and .6, false positive rates .2 and 0
    assert groups.equalised_odds_difference(column, prediction, truth) == pytest.approx(0.3)
    assert np.isnan(groups.equalised_odds_difference(np.repeat("m", 200), prediction, truth))


def test_equalised_odds_of_several_classes_and_groups_are_those_of_scikit_learns_counts() -> None:
    rng = np.random.default_rng(3)
    column, truth = rng.choice(["a", "b", "c"], 600), rng.integers(0, 4, 600)
    prediction = np.where(rng.random(600) < 0.6, truth, rng.integers(0, 4, 600))
    rates = []
    for value in "abc":
        own = column == value
        counts = multilabel_confusion_matrix(truth[own], prediction[own], labels=range(4))
        rates.append(counts[:, :, 1] / counts.sum(axis=2))  # by class: false and true positive rate
    expected = np.ptp(np.array(rates), axis=0).max()
    assert groups.equalised_odds_difference(column, prediction, truth) == pytest.approx(expected)


def world(factor: np.ndarray, name: str = "light") -> Embeddings:
    rng = np.random.default_rng(0)
    label = np.arange(120) % 3
    x = (np.eye(3, 8)[label] * 3 + rng.normal(size=(120, 8))).astype(np.float32)
    shared: dict[str, Any] = {"class_names": ("a", "b", "c"), "ids": np.arange(120).astype(str)}
    tuning = tuple(TuningSplit(x=x, columns={}, label=label, **shared) for _ in range(2))
    return Embeddings(
        tuning=tuning, test=(TestSplit(x=x, columns={name: factor}, truth=label, **shared),), metric="accuracy", factors=(name,)
    )


def test_the_worst_group_of_the_protocol_is_that_of_its_examples() -> None:
    factor = np.repeat(["left", "right", "above"], [60, 55, 5])
    outcome = Groups().score(world(factor), 0)
    by_group = outcome.examples.groupby("light")["score"].agg(["mean", "size"])
    ranked = by_group[by_group["size"] >= 10]["mean"]
    assert outcome.metrics["worst-group-accuracy"].value == pytest.approx(ranked.min())
    assert outcome.metrics["gap-light"].value == pytest.approx(ranked.max() - ranked.min())
    assert [one["n"] for one in outcome.diagnostics["groups"]["light"]] == [5, 60, 55]


@pytest.mark.parametrize(
    ("factor", "by", "message"),
    [
        (np.repeat("left", 120), ("light",), "'light' is constant"),
        (np.linspace(0, 1, 120), ("light",), r"'light' has 120 values \(continuous"),
        (np.repeat(["l", "r"], 60), ("shade",), "no column 'shade' to group by; there are light"),
        (np.repeat("left", 120), (), "none of the factors light makes groups"),
        (np.arange(120) // 6, (), "no group of light has 10 examples"),
    ],
)
def test_columns_that_make_no_groups_are_named(factor: np.ndarray, by: tuple[str, ...], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        Groups(by=by).score(world(factor), 0)


def test_clusters_widen_intervals_as_repeated_draws_say() -> None:
    """Ten views of each of 40 objects, which are mostly right or wrong together."""
    rng = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        kind = np.arange(40) % 4
        p = rng.beta(0.8, 0.4, size=40)
        return (rng.random((40, 10)) < p[:, None]).astype(float).ravel(), np.repeat(kind, 10)

    objects = np.repeat(np.arange(40), 10)
    means, widths, per_class_widths = [], [], []
    for _ in range(200):
        credit, truth = draw()
        means.append(credit.mean())
        low, high = intervals.proportion(credit, 0, groups=objects)
        widths.append(high - low)
        low, high = intervals.mean_per_class(credit, truth, 0, groups=objects)
        per_class_widths.append(high - low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(means), rel=0.12)
    assert np.mean(per_class_widths) == pytest.approx(2 * 1.96 * np.std(means), rel=0.15)  # classes are alike and equally large
    robust, drawn = (
        np.ptp(one) for one in (intervals.normal_mean(credit, groups=objects), intervals.proportion(credit, 0, groups=objects))
    )
    assert robust == pytest.approx(drawn, rel=0.1)
    low, high = intervals.proportion(credit, 0)
    assert np.mean(widths) > 2 * (high - low)


def test_the_names_of_clusters_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    credit, truth = rng.integers(0, 2, 60).astype(float), rng.integers(0, 3, 60)
    objects = np.repeat(np.arange(12), 5)
    renamed = np.array([f"object {(one * 7) % 12}" for one in objects])
    assert intervals.mean_per_class(credit, truth, 3, groups=objects) == pytest.approx(
        intervals.mean_per_class(credit, truth, 3, groups=renamed)
    )


def test_a_split_with_clusters_says_so_in_its_examples() -> None:
    got = world(np.repeat(["left", "right"], 60))
    clusters = np.repeat(np.arange(12), 10).astype(str)
    from repbench.protocols.knn import KNN

    test = dataclasses.replace(got.test[0], clusters=clusters)
    outcome = KNN().score(dataclasses.replace(got, tuning=got.tuning[:1], test=(test,)), 0)
    assert outcome.examples["cluster"].tolist() == clusters.tolist()


def test_the_worst_groups_interval_draws_whole_clusters() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(40), 10)
    credit = np.repeat(rng.random(40), 10)
    said = np.zeros(400, dtype=int)
    one = np.full(400, "all")
    expected = intervals.bootstrap_mean(credit, 0, groups=clusters)  # with one group the least is the mean
    found = group_intervals.bootstrap(one, credit, said, said, 0, clusters)
    assert np.allclose(found.worst, expected, atol=0.02)
    assert np.isnan([found.gap, found.odds]).all()
    alone = group_intervals.bootstrap(one, credit, said, said, 0).worst
    halves = np.array(["a", "b"] * 200)  # a cluster is equally good in both
    both = group_intervals.bootstrap(halves, credit, said, said, 0, clusters).worst
    for low, high in (expected, both):
        assert 2.5 < (high - low) / (alone[1] - alone[0]) < 4  # the root of 10


def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, truth and prediction of 600 people, of groups that are served unequally."""
    rng = np.random.default_rng(4)
    column = np.repeat(["a", "b", "c"], [300, 200, 100])
    truth = rng.integers(0, 3, 600)
    right = rng.random(600) < np.repeat([0.9, 0.8, 0.6], [300, 200, 100])
    return column, truth, np.where(right, truth, (truth + 1) % 3)


def drawn_by_rows(rows_of_draw: Any, draws: int = 1500) -> np.ndarray:
    """Ends of the middle 95 % of worst group, gap and odds, each recomputed from resampled rows."""
    column, truth, prediction = people()
    found = []
    for _ in range(draws):
        rows = rows_of_draw()
        own = groups.groups_of(column[rows], (truth == prediction)[rows].astype(float))
        least = groups.worst(own)
        assert least is not None
        odds = groups.equalised_odds_difference(column[rows], prediction[rows], truth[rows])
        found.append((least.accuracy, groups.gap(own), odds))
    return np.quantile(found, [0.025, 0.975], axis=0).T


def test_intervals_of_groups_are_those_of_rows_drawn_within_groups() -> None:
    column, truth, prediction = people()
    rng = np.random.default_rng(5)
    places = [np.flatnonzero(column == name) for name in "abc"]
    expected = drawn_by_rows(lambda: np.concatenate([rng.choice(own, len(own)) for own in places]))
    found = group_intervals.bootstrap(column, (truth == prediction).astype(float), prediction, truth, 0)
    assert np.allclose([found.worst, found.gap, found.odds], expected, atol=0.02)
    order = rng.permutation(600)
    again = group_intervals.bootstrap(
        column[order], (truth == prediction)[order].astype(float), prediction[order], truth[order], 0
    )
    assert again == found


def test_intervals_of_groups_with_clusters_are_those_of_clusters_drawn() -> None:
    column, truth, prediction = people()
    clusters = np.arange(600) % 60  # each has people of every group
    rng = np.random.default_rng(6)
    rows = [np.flatnonzero(clusters == one) for one in range(60)]
    expected = drawn_by_rows(lambda: np.concatenate([rows[one] for one in rng.integers(0, 60, 60)]))
    found = group_intervals.bootstrap(column, (truth == prediction).astype(float), prediction, truth, 0, clusters)
    assert np.allclose([found.worst, found.gap, found.odds], expected, atol=0.025)


def test_gap_and_odds_of_the_protocol_have_intervals_that_hold_their_values() -> None:
    outcome = Groups().score(world(np.repeat(["left", "right"], 60)), 0)
    for name in ("gap-light", "equalised-odds-light", "worst-group-accuracy"):
        one = outcome.metrics[name]
        assert one.low <= one.value <= one.high
