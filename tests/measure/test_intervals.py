"""Intervals against SciPy, closed forms, and their own promise: that they cover the truth 95 times in 100."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest, bootstrap

from repbench.errors import ProtocolError
from repbench.measure import intervals
from repbench.measure.geometry import normalised, potentials

Z = 1.959963984540054


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 7), (812, 1000), (1, 25000)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    reference = binomtest(hits, n).proportion_ci(method="wilson")
    assert_allclose(intervals.wilson(hits / n, n), (reference.low, reference.high), atol=1e-12)


def test_a_proportion_of_hits_and_misses_takes_wilson() -> None:
    credit = np.repeat([1.0, 0.0], [30, 12])
    assert intervals.proportion(credit, seed=0) == intervals.wilson(30 / 42, 42)


def test_a_proportion_with_ties_takes_the_bootstrap() -> None:
    credit = np.repeat([1.0, 0.5, 0.0], [30, 5, 12])
    assert intervals.proportion(credit, seed=3) == intervals.bootstrap_mean(credit, seed=3)


def test_scores_that_all_tie_have_no_sampling_error() -> None:
    assert intervals.proportion(np.full(50, 0.25), seed=0) == (0.25, 0.25)


@pytest.mark.parametrize("distinct", [3, 5000], ids=["counts drawn", "rows drawn"])
def test_bootstrap_of_a_mean_is_scipys(distinct: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(distinct, size=300) / distinct
    ours = intervals.bootstrap_mean(values, seed=1, draws=20_000)
    seeded = {"random_state": np.random.default_rng(2)}  # SciPy before 1.15 knows no other name
    reference = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", batch=2000, **seeded)
    assert_allclose(ours, reference.confidence_interval, atol=0.04 * (ours[1] - ours[0]))


def test_bootstrap_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    values, groups, order = rng.normal(size=200), rng.integers(20, size=200), rng.permutation(200)
    assert intervals.bootstrap_mean(values, 7) == intervals.bootstrap_mean(values[order], 7)
    assert_allclose(
        intervals.bootstrap_mean(values, 7, groups=groups),
        intervals.bootstrap_mean(values[order], 7, groups=19 - groups[order]),
        rtol=1e-12,
    )


def test_drawing_in_blocks_bounds_memory_and_keeps_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=500)
    monkeypatch.setattr(intervals, "BLOCK", 700)  # one draw a block
    low, high = intervals.bootstrap_mean(values, 0)
    assert high - low == pytest.approx(2 * Z * values.std() / math.sqrt(500), rel=0.06)
    low, high = intervals.bootstrap_mean(values, 0, groups=np.arange(500))
    assert high - low == pytest.approx(2 * Z * values.std() / math.sqrt(500), rel=0.06)


def test_groups_of_equal_values_count_once() -> None:
    values = np.random.default_rng(0).normal(size=60)
    repeated, groups = np.repeat(values, 9), np.repeat(np.arange(60), 9)
    low, high = intervals.bootstrap_mean(repeated, 0, groups=groups, draws=8000)
    assert high - low == pytest.approx(2 * Z * values.std() / math.sqrt(60), rel=0.05)


def test_stratified_bootstrap_has_the_closed_form_standard_error() -> None:
    sizes, rates = np.array([4, 10, 400]), np.array([0.5, 0.3, 0.9])
    truth = np.repeat(np.arange(3), sizes)
    credit = np.concatenate([(np.arange(n) < round(n * rate)).astype(float) for n, rate in zip(sizes, rates, strict=True)])
    error = math.sqrt(sum(np.var(credit[truth == c], ddof=1) / sizes[c] for c in range(3))) / 3
    low, high = intervals.mean_per_class(credit, truth, 0, draws=50_000, level=0.6826894921370859)
    assert (high - low) / 2 == pytest.approx(error, rel=0.08)


def test_stratified_bootstrap_never_mixes_classes() -> None:
    truth = np.repeat([0, 1], [5, 500])
    low, high = intervals.mean_per_class(np.where(truth == 0, 1.0, 0.0), truth, 0)
    assert (low, high) == (0.5, 0.5)


@pytest.mark.parametrize("clustered", [False, True])
def test_the_names_of_classes_do_not_matter(clustered: bool) -> None:
    rng = np.random.default_rng(3)
    truth, groups = rng.integers(8, size=300), rng.integers(40, size=300)
    credit = (rng.random(300) < 0.2 + 0.08 * truth).astype(float)
    renamed = np.array([5, 2, 7, 0, 6, 1, 4, 3])[truth]
    found = [intervals.mean_per_class(credit, one, 0, groups=groups if clustered else None) for one in (truth, renamed)]
    assert_allclose(found[0], found[1], rtol=1e-12)


def test_perfect_scores_still_have_an_interval_over_classes() -> None:
    truth = np.repeat(np.arange(4), 25)
    assert intervals.mean_per_class(np.ones(100), truth, 0) == pytest.approx(intervals.wilson(1.0, 100))
    low, high = intervals.mean_per_class(np.zeros(100), truth, 0)
    assert low == 0.0
    assert high > 0.02


def test_normal_interval_is_the_textbook_one() -> None:
    low, high = intervals.normal_mean(np.array([1.0, 2.0, 3.0, 4.0]))
    half = Z * math.sqrt(5 / 3) / 2
    assert_allclose((low, high), (2.5 - half, 2.5 + half))
    assert intervals.normal_mean(np.array([3.0])) == (-math.inf, math.inf)


def test_contributions_to_a_log_u_statistic_average_to_it() -> None:
    rows = np.random.default_rng(0).uniform(0.1, 0.9, size=100)
    assert intervals.log_u_contributions(rows).mean() == pytest.approx(math.log(rows.mean()), abs=1e-14)


def test_log_u_interval_agrees_with_the_jackknife() -> None:
    x = normalised(np.random.default_rng(0).normal(size=(150, 3)) + np.array([1.5, 0, 0]))
    rows = potentials(x)
    n = len(x)
    leave_one_out = np.array([math.log((n * (n - 1) * rows.mean() - 2 * (n - 1) * h) / ((n - 1) * (n - 2))) for h in rows])
    jackknife = math.sqrt((n - 1) ** 2 / n * leave_one_out.var(ddof=1))
    low, high = intervals.log_u_statistic(rows)
    assert (high - low) / 2 / Z == pytest.approx(jackknife, rel=0.02)


@pytest.mark.parametrize("values", [np.empty(0), np.array([1.0, np.nan]), np.array([[1.0]])])
def test_values_that_have_no_mean_are_refused(values: np.ndarray) -> None:
    for interval in (intervals.normal_mean, lambda v: intervals.bootstrap_mean(v, 0), lambda v: intervals.proportion(v, 0)):
        with pytest.raises(ProtocolError):
            interval(values)


def test_impossible_u_statistics_and_counts_are_refused() -> None:
    with pytest.raises(ProtocolError, match="above 0"):
        intervals.log_u_statistic(np.array([0.5, 0.0]))
    with pytest.raises(ProtocolError, match="at least one"):
        intervals.wilson(0.0, 0)


def _share_covered(found: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in found]))


@pytest.mark.parametrize("kind", ["hits", "ties", "stratified", "clustered"])
def test_intervals_of_means_cover_the_truth(kind: str) -> None:
    rng = np.random.default_rng(5)
    found, truth = [], 0.7
    for trial in range(400):
        if kind == "hits":
            found.append(intervals.proportion((rng.random(80) < truth).astype(float), trial))
        elif kind == "ties":  # 0.4 * 1 + 0.6 * 0.5
            found.append(intervals.proportion(np.where(rng.random(80) < 0.4, 1.0, 0.5), trial))
        elif kind == "stratified":
            labels = np.repeat([0, 1, 2], [8, 30, 90])
            hits = rng.random(128) < np.array([0.5, 0.7, 0.9])[labels]
            found.append(intervals.mean_per_class(hits.astype(float), labels, trial, draws=500))
        else:
            groups = np.repeat(np.arange(60), 4)
            values = truth + np.repeat(rng.normal(size=60), 4) + rng.normal(size=240)
            found.append(intervals.bootstrap_mean(values, trial, groups=groups, draws=500))
    assert 0.92 <= _share_covered(found, truth) <= 0.98


def test_intervals_of_uniformity_cover_the_truth() -> None:
    rng = np.random.default_rng(6)

    def draw(n: int) -> np.ndarray:
        return potentials(rng.normal(size=(n, 4)) + np.array([1.0, 0.5, 0, 0]))

    truth = math.log(draw(6000).mean())
    assert 0.92 <= _share_covered([intervals.log_u_statistic(draw(120)) for _ in range(400)], truth) <= 0.98
