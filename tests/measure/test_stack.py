"""Stacked logistic regressions against scikit-learn run to convergence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from repbench.measure.solver import stack
from repbench.measure.solver.stack import fit_stack

RNG = np.random.default_rng(0)
LABEL = np.repeat(np.arange(4), 30)
X = RNG.normal(size=(120, 12)) + RNG.normal(size=(4, 12))[LABEL] + 3
X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
ROWS = np.stack([np.concatenate([30 * c + RNG.permutation(30)[:5] for c in range(4)]) for _ in range(3)])


@pytest.mark.parametrize("strength", [1.0, 0.01])
def test_each_problem_is_scikit_learns(strength: float) -> None:
    found = fit_stack(X, ROWS, LABEL[ROWS], 4, strength, gap=1e-12)
    for place, scores in enumerate(found.scores(X)):
        theirs = LogisticRegression(C=1 / strength, tol=1e-12, max_iter=10_000)
        theirs.fit(X[ROWS[place]].astype(float), LABEL[ROWS[place]])
        assert_allclose(found.weights[place], theirs.coef_.T, atol=2e-5)
        assert_allclose(found.intercept[place], theirs.intercept_, atol=2e-5)
        assert_allclose(scores, theirs.decision_function(X.astype(float)), atol=1e-4)


def test_the_folds_of_a_cross_validation_are_solved_in_one_stack() -> None:
    splits = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, LABEL))
    rows = np.stack([train for train, _ in splits])
    found = fit_stack(X, rows, LABEL[rows], 4, 0.1, gap=1e-12)
    for (train, held_out), scores in zip(splits, found.scores(X), strict=True):
        theirs = LogisticRegression(C=10, tol=1e-12, max_iter=10_000).fit(X[train].astype(float), LABEL[train])
        assert_allclose(scores[held_out], theirs.decision_function(X[held_out].astype(float)), atol=1e-4)


def test_the_gap_bounds_the_distance_from_the_optimum() -> None:
    def objective(weights: np.ndarray, intercept: np.ndarray) -> float:
        logits = X[ROWS[0]].astype(float) @ weights + intercept
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(logits)), LABEL[ROWS[0]]]
        return float(losses.sum() + 0.005 * (weights**2).sum())

    rough = fit_stack(X, ROWS, LABEL[ROWS], 4, 0.01, gap=1e-2)
    fine = fit_stack(X, ROWS, LABEL[ROWS], 4, 0.01, gap=1e-12)
    least = objective(fine.weights[0], fine.intercept[0])
    reached = objective(rough.weights[0], rough.intercept[0])
    assert 0 <= (reached - least) / reached <= rough.relative_gap[0] <= 1e-2
    assert rough.steps < fine.steps


def test_a_large_stack_is_solved_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_stack(X, ROWS, LABEL[ROWS], 4, 0.1, gap=1e-12)
    monkeypatch.setattr(stack, "NUMBERS", 1)
    monkeypatch.setattr(stack, "SMALL", 0)  # and in float32
    parts = fit_stack(X, ROWS, LABEL[ROWS], 4, 0.1, gap=1e-8)
    assert_allclose(parts.weights, whole.weights, atol=1e-3)
