"""The bound of a mixture of residuals lies below the minimum that Newton finds, and above what the last point alone proves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from repbench.measure.solver.dual import LowerBound
from tests.measure.test_logistic import data, newton, objective

STRENGTH = 0.01


@pytest.mark.parametrize("noise", [1e-3, 1e-2, 0.3])
def test_a_mixture_proves_more_than_its_points_and_never_too_much(noise: float) -> None:
    x, y = data(120, 6, 3)
    x -= x.mean(axis=0)
    z, truth = x.astype(np.float64), np.eye(3)[y]
    least = newton(x, y, 3, STRENGTH)
    rng = np.random.default_rng(0)
    near = LogisticRegression(C=1 / STRENGTH, tol=1e-6, max_iter=1000).fit(z, y).coef_.T
    proven, alone = LowerBound(STRENGTH), []
    for _ in range(30):
        weights = near + noise * rng.normal(size=near.shape)
        intercept = settled(z @ weights, truth)
        residual = softmax(z @ weights + intercept) - truth
        gradient = z.T @ residual + STRENGTH * weights
        reached = objective(x, y, weights, intercept, STRENGTH)
        bound = proven.learn(reached, torch.from_numpy(gradient.T.copy()), torch.from_numpy(weights.T.copy()))
        alone.append(reached - float((gradient**2).sum()) / (2 * STRENGTH))
        assert alone[-1] - 1e-9 <= bound <= least * (1 + 1e-12)
    assert bound > max(alone)


def softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def settled(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The intercepts at which the residuals sum to zero, by Newton's method."""
    intercept = np.zeros(truth.shape[1])
    for _ in range(100):
        p = softmax(logits + intercept)
        curvature = np.diag(p.sum(axis=0)) - p.T @ p + 1.0  # and of the shift common to all, which changes nothing
        intercept -= np.linalg.solve(curvature, (p - truth).sum(axis=0))
    return intercept
