"""Disentanglement and completeness on matrices of which they are known, and the lasso against scikit-learn's estimator."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.linear_model import Lasso

from repbench.measure.disentanglement import completeness, disentanglement, lasso_path


def test_one_dimension_a_factor_is_perfect() -> None:
    assert disentanglement(np.eye(4)) == pytest.approx(1)
    assert completeness(np.eye(4)) == pytest.approx(1)


def test_everything_everywhere_is_nothing() -> None:
    assert disentanglement(np.ones((5, 3))) == pytest.approx(0)
    assert completeness(np.ones((5, 3))) == pytest.approx(0)


def test_two_dimensions_for_each_factor_are_disentangled_and_half_complete() -> None:
    r = np.repeat(np.eye(2), 2, axis=0)  # four dimensions, two factors
    assert disentanglement(r) == pytest.approx(1)
    assert completeness(r) == pytest.approx(0.5)  # log 2 of log 4


def test_one_dimension_for_both_factors_is_complete_and_entangled() -> None:
    r = np.array([[1.0, 1], [0, 0], [0, 0]])
    assert disentanglement(r) == pytest.approx(0)
    assert completeness(r) == pytest.approx(1)


def test_any_matrix_by_the_paper_s_equations() -> None:
    r = np.random.default_rng(0).random((6, 3))
    weights = r.sum(axis=1) / r.sum()
    assert disentanglement(r) == pytest.approx(sum(w * (1 - entropy(row, base=3)) for w, row in zip(weights, r, strict=True)))
    assert completeness(r) == pytest.approx(np.mean([1 - entropy(column, base=6) for column in r.T]))


def test_where_nothing_counts_there_is_no_number() -> None:
    assert np.isnan(disentanglement(np.zeros((3, 2))))
    assert np.isnan(completeness(np.zeros((3, 2))))
    assert np.isnan(disentanglement(np.ones((3, 1))))


def test_the_lasso_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 10)) + 2
    y = x[:, :2] * (3.0, -2.0) + rng.normal(size=(200, 2))
    path = lasso_path(x, y, (0.5, 0.1))
    largest = np.abs((x - x.mean(0)).T @ (y - y.mean(0))).max(axis=0) / 200
    for place, share in enumerate((0.5, 0.1)):
        for target in range(2):
            theirs = Lasso(alpha=share * largest[target], tol=1e-8).fit(x, y[:, target])
            assert path.weights[place, :, target] == pytest.approx(theirs.coef_, abs=1e-2)
            assert path.predict(x)[place, :, target] == pytest.approx(theirs.predict(x), abs=3e-2)
    assert path.converged
    assert not lasso_path(np.ones((20, 3)), y[:20]).weights.any()
