"""What L-BFGS takes for curvature, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repbench.measure.logistic import STRENGTHS, fit_path
from repbench.measure.solver.lbfgs import History

CLASSES, WIDTH = 3, 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_that_is_rounding_says_nothing_of_curvature(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    point, gradient = (torch.randn(CLASSES, WIDTH, generator=generator, dtype=dtype) for _ in range(2))
    history = History(4, point)
    history.learn(point, gradient, 1.0, 1.0)
    history.learn(point * (1 + 2 * torch.finfo(dtype).eps), gradient + point, 1.0, 1.0)  # a change along the step
    assert not history.forget()
    history.learn(point * 1.001, gradient + 2 * point, 1.0, 1.0)
    assert history.forget()


def test_directions_of_a_quadratic_lead_to_its_minimum_in_as_many_steps_as_it_has_dimensions() -> None:
    generator = np.random.default_rng(0)
    root = generator.normal(size=(4, 4))
    hessian = torch.from_numpy(root @ root.T + 0.1 * np.eye(4))
    asked = torch.from_numpy(generator.normal(size=(1, 4)))
    point, history = torch.zeros(1, 4, dtype=torch.float64), History(4, asked)
    for _ in range(5):
        gradient = point @ hessian - asked
        history.learn(point, gradient, 0.0, 1.0)
        direction = history.direction(gradient, lambda q: q.clone(), exact=False)
        length = float((gradient * direction).sum() / ((direction @ hessian) * direction).sum())
        point = point - length * direction
    torch.testing.assert_close(point, torch.linalg.solve(hessian, asked.T).T, rtol=1e-9, atol=0)


@pytest.mark.parametrize("seed", range(4))
def test_strong_penalties_are_solved_in_a_few_steps_in_whatever_order_the_rows_come(seed: int) -> None:
    """Pairs of rounding, kept, led astray where a start was already the solution: up to 45 evaluations, by the rows' order."""
    generator = np.random.default_rng(1)
    centres = generator.normal(size=(12, 40))
    y = np.concatenate([np.arange(12), generator.integers(0, 12, 488)])
    x = (1.1 * centres[y] + 3.0 * generator.normal(size=(500, 40))).astype(np.float32)
    order = np.random.default_rng(seed).permutation(500)
    strong = [strength for strength in STRENGTHS if strength >= 100]
    path, shuffled = (fit_path(rows, labels, 12, strong, gap=3e-3) for rows, labels in ((x, y), (x[order], y[order])))
    assert [one.evaluations for one in shuffled] == [one.evaluations for one in path]
    assert max(one.evaluations for one in path) <= 3
    for one, other in zip(path, shuffled, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=0, atol=1e-6 * np.abs(one.weights).max())
