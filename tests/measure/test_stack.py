"""Stacked logistic regressions against scikit-learn run to convergence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from repbench.errors import ProtocolError
from repbench.measure.solver import stack
from repbench.measure.solver.stack import ABSENT, fit_stack

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


def test_a_problem_is_solved_alone_as_it_is_among_others() -> None:
    rows = np.stack([np.concatenate([30 * c + RNG.permutation(30)[:8] for c in range(4)]) for _ in range(40)])
    together = fit_stack(X, rows, LABEL[rows], 4, 1e-3)
    alone = [fit_stack(X, one[None], LABEL[one][None], 4, 1e-3) for one in rows]
    assert len({one.steps for one in alone}) > 1  # some take longer than others
    assert_allclose(np.concatenate([one.weights for one in alone]), together.weights, rtol=1e-9, atol=1e-12)
    assert_allclose(np.concatenate([one.relative_gap for one in alone]), together.relative_gap, rtol=1e-6)


def test_folds_of_unequal_length_are_solved_in_one_stack() -> None:
    splits = list(StratifiedKFold(7, shuffle=True, random_state=0).split(X, LABEL))
    longest = max(len(train) for train, _ in splits)
    rows = np.full((7, longest), ABSENT)
    for place, (train, _) in enumerate(splits):
        rows[place, : len(train)] = train
    assert (rows == ABSENT).any()
    found = fit_stack(X, rows, LABEL[rows], 4, 0.1, gap=1e-12)
    for (train, held_out), scores in zip(splits, found.scores(X), strict=True):
        theirs = LogisticRegression(C=10, tol=1e-12, max_iter=10_000).fit(X[train].astype(float), LABEL[train])
        assert_allclose(scores[held_out], theirs.decision_function(X[held_out].astype(float)), atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "label", "strength", "words"),
    [
        (np.empty((0, 3), dtype=int), np.empty((0, 3), dtype=int), 1.0, "whole numbers"),
        ([[0, 1, 120]], [[0, 1, 2]], 1.0, "rows from 0 to 119; got 0 to 120"),
        ([[-1, -1, -1]], [[0, 1, 2]], 1.0, "rows from 0 to 119"),
        ([[0, 1, 2]], [[0, 1, 4]], 1.0, "labels of 4 classes are 0 to 3; got 0 to 4"),
        ([[0, 1, 2]], [[0, 1, 2]], 0.0, "finite numbers above 0"),
        ([[0, 1, 2]], [[0, 1]], 1.0, "whole numbers"),
    ],
)
def test_stacks_that_cannot_be_solved_are_refused_in_words(rows: object, label: object, strength: float, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        fit_stack(X, np.array(rows), np.array(label), 4, strength)


def test_features_and_gaps_that_cannot_be_solved_are_refused_in_words() -> None:
    with pytest.raises(ProtocolError, match="finite features"):
        fit_stack(np.full_like(X, np.nan), ROWS, LABEL[ROWS], 4, 1.0)
    with pytest.raises(ProtocolError, match=r"got \(120, 0\)"):
        fit_stack(X[:, :0], ROWS, LABEL[ROWS], 4, 1.0)
    for gap in (0.0, -1.0, 2.0, np.nan, np.inf, None):
        with pytest.raises(ProtocolError, match="expected a number between 0 and 1"):
            fit_stack(X, ROWS, LABEL[ROWS], 4, 1.0, gap=gap)  # type: ignore[arg-type]


def test_rows_and_labels_of_every_layout_and_kind_of_whole_number_give_one_answer() -> None:
    plain = fit_stack(X, ROWS, LABEL[ROWS], 4, 1.0).weights
    for kind in ("i1", ">i4", "u1"):
        assert np.array_equal(fit_stack(X, ROWS.astype(kind), LABEL[ROWS].astype(kind), 4, 1.0).weights, plain)
    turned = fit_stack(X[::-1], 119 - ROWS[:, ::-1], LABEL[ROWS][:, ::-1], 4, 1.0)
    assert_allclose(turned.weights, plain, atol=1e-9)
    assert_allclose(list(turned.scores(X[::-1])), list(turned.scores(X.astype(">f4")[::-1])))
