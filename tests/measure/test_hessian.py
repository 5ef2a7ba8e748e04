"""Division by the Hessian of a probe is that by the matrix written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repbench.measure.solver import hessian
from repbench.measure.solver.losses import OneVsRest, Softmax

N, D, CLASSES, STRENGTH = 200, 7, 4, 0.3


def test_the_whole_hessian_of_the_softmax_is_divided_by() -> None:
    generator = np.random.default_rng(0)
    z, logits = generator.normal(size=(N, D)), 2 * generator.normal(size=(CLASSES, N))
    y = generator.integers(0, CLASSES, N)
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    wide = np.concatenate([z, np.ones((N, 1))], axis=1)
    penalty = np.diag([STRENGTH] * D + [1e-9 * N])
    blocks = [
        [(wide.T * (p[a] * ((a == b) - p[b]))) @ wide + (a == b) * penalty for b in range(CLASSES)] for a in range(CLASSES)
    ]
    asked = generator.normal(size=(CLASSES, D + 1))
    asked -= asked.mean(axis=0)  # as every gradient: a shift common to all classes changes nothing
    expected = np.linalg.lstsq(np.block(blocks), asked.reshape(-1), rcond=None)[0].reshape(CLASSES, D + 1)
    loss, residual = Softmax(torch.from_numpy(y), CLASSES), torch.from_numpy(p - np.eye(CLASSES)[:, y])
    divide = hessian.solver(torch.from_numpy(z), loss, residual, STRENGTH)
    assert divide is not None
    np.testing.assert_allclose(divide(torch.from_numpy(asked)).numpy(), expected, rtol=1e-4, atol=1e-7)


def test_a_sample_of_many_rows_tells_the_whole_hessian_within_a_factor_of_two() -> None:
    generator = np.random.default_rng(2)
    n = 40 * hessian.ENOUGH * (D + 1)
    z, logits = generator.normal(size=(n, D)), generator.normal(size=(CLASSES, n))
    y = generator.integers(0, CLASSES, n)
    p = np.exp(logits) / np.exp(logits).sum(axis=0)
    wide = np.concatenate([z, np.ones((n, 1))], axis=1)
    blocks = [[(wide.T * (p[a] * ((a == b) - p[b]))) @ wide for b in range(CLASSES)] for a in range(CLASSES)]
    loss, residual = Softmax(torch.from_numpy(y), CLASSES), torch.from_numpy(p - np.eye(CLASSES)[:, y])
    divide = hessian.solver(torch.from_numpy(z), loss, residual, 1e-6)
    assert divide is not None
    columns = [divide(torch.from_numpy(row.reshape(CLASSES, D + 1))).reshape(-1).numpy() for row in np.block(blocks).T]
    ratios = np.sort(np.linalg.eigvals(np.stack(columns, axis=1)).real)[D + 1 :]  # but for shifts common to all classes
    assert ratios.min() > 1 / 2  # at 16 independent rows a dimension: (1 - 1 / 4)^2 to (1 + 1 / 4)^2 of even weights
    assert ratios.max() < 2


def test_each_class_of_one_vs_rest_has_its_own_hessian() -> None:
    generator = np.random.default_rng(1)
    z, p = generator.normal(size=(N, D)), generator.uniform(0.05, 0.95, (CLASSES, N))
    truth = np.where(generator.uniform(size=(CLASSES, N)) < p, 1.0, -1.0)
    wide = np.concatenate([z, np.ones((N, 1))], axis=1)
    asked = generator.normal(size=(CLASSES, D + 1))
    penalty = np.diag([STRENGTH] * D + [1e-9 * N])
    expected = [np.linalg.solve((wide.T * (q * (1 - q))) @ wide + penalty, row) for q, row in zip(p, asked, strict=True)]
    loss = OneVsRest(torch.from_numpy(truth))
    divide = hessian.solver(torch.from_numpy(z), loss, torch.from_numpy(p - (truth + 1) / 2), STRENGTH)
    assert divide is not None
    np.testing.assert_allclose(divide(torch.from_numpy(asked)).numpy(), np.stack(expected), rtol=1e-9)


def test_a_hessian_that_would_cost_more_than_it_saves_is_not_made() -> None:
    z, y = torch.zeros(50, 2000, dtype=torch.float64), torch.zeros(50, dtype=torch.int64)
    assert hessian.solver(z, Softmax(y, 300), torch.zeros(300, 50, dtype=torch.float64), STRENGTH) is None


def test_a_hessian_that_rounding_made_indefinite_is_lifted_until_it_can_be_factored() -> None:
    indefinite = torch.diag(torch.tensor([1.0, 1.0, -1e-6], dtype=torch.float64))
    factor = hessian._factor(indefinite)
    assert factor is not None
    lifted = factor @ factor.T
    assert torch.linalg.eigvalsh(lifted).min() > 0
    assert float(lifted[0, 0]) == pytest.approx(1.0, abs=1e-3)


def test_a_hessian_beyond_floats_is_not_waited_for() -> None:
    assert hessian._factor(torch.full((2, 2), float("inf"), dtype=torch.float64)) is None
