"""Paired tests against SciPy and simulation, Holm's correction against figures worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from repbench.errors import ProtocolError
from repbench.measure.significance import holm, paired_p_values

RNG = np.random.default_rng


def test_hits_and_misses_are_tested_as_mcnemar_exactly() -> None:
    rng = RNG(0)
    best, others = rng.random(200) < 0.8, rng.random((5, 200)) < 0.7
    got = paired_p_values(best / 200, others / 200, 0)
    for other, p in zip(others, got, strict=True):
        wins, losses = int((best & ~other).sum()), int((~best & other).sum())
        assert p == pytest.approx(stats.binomtest(wins, wins + losses, 0.5).pvalue, rel=1e-9)


@pytest.mark.parametrize(("n", "rel"), [(10, 1e-9), (60, 0.1)])
def test_graded_scores_are_tested_as_scipy_permutes_them(n: int, rel: float) -> None:
    rng = RNG(1)
    a, b = rng.random(n) + 0.12, rng.random(n)
    want = stats.permutation_test(
        (a, b), lambda x, y: x.sum() - y.sum(), permutation_type="samples", n_resamples=20_000, random_state=RNG(2)
    ).pvalue
    assert paired_p_values(a, b[None], 0)[0] == pytest.approx(want, rel=rel)


def test_the_false_alarms_are_as_many_as_promised() -> None:
    rng = RNG(3)
    p = [paired_p_values(row[0], row[1:], 0)[0] for row in rng.normal(size=(150, 2, 40))]
    assert stats.binomtest(int(np.sum(np.array(p) <= 0.05)), 150, 0.05).pvalue > 0.001


def test_holm_is_the_step_down_of_its_paper() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    single = np.array([0.2])
    assert holm(single) == pytest.approx(single)


@pytest.mark.parametrize(
    ("best", "others", "words"),
    [
        ([1.0, np.nan], [[0.0, 1.0]], "finite"),
        ([1.0, 0.0], [[0.0, np.inf]], "finite"),
        ([1.0, 0.0], [[0.0, 1.0, 1.0]], r"of equal examples; got \(2,\) and \(1, 3\)"),
        ([], np.empty((1, 0)), "of equal examples"),
    ],
)
def test_scores_that_are_no_pairs_are_refused(best: list[float], others: list[list[float]], words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        paired_p_values(np.array(best), np.array(others), 0)
