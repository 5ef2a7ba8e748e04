"""Many logistic regressions of one shape, solved side by side: draws of a few-shot protocol, seeds, folds of one length.

    F(W, b) = sum_i loss(x_i W + b, y_i) + strength / 2 * ||W||^2        as in measure/logistic.py, for each problem

Nonlinear conjugate gradients (Polak & Ribiere 1969, restarted where a direction does not descend) on all problems at once, in
products of stacked matrices. The logits are kept, so the line search, Newton's in one number a problem, costs no product of the
data; after each step the intercepts are moved to their optimum by Newton's method. That suits problems whose penalty is strong
beside their data; the proof is that of measure/logistic.py, F - min F <= ||grad_W||^2 / (2 strength).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

MOST_STEPS = 100
TRIALS = 5  # of a step's length
SMALL = 10**7  # numbers in n x d x classes of one problem, below which float64 is used
NUMBERS = 2**25  # of features in a stack: 128 MB in float32


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Solutions of so many problems: how far from its optimum each is proven to be, and the scores that they give."""

    relative_gap: np.ndarray  # float64 (problems,): proven, (F - min F) / F is at most this
    steps: int
    _weights: torch.Tensor  # (problems, d, classes)
    _intercept: torch.Tensor  # (problems, classes)
    _mean: torch.Tensor  # (d,), float64: what features lose first

    @property
    def weights(self) -> np.ndarray:
        """Weights float64 (problems, d, classes)."""
        weights: np.ndarray = self._weights.double().numpy()
        return weights

    @property
    def intercept(self) -> np.ndarray:
        """Intercepts float64 (problems, classes) for features as they were given; those of a problem sum to zero."""
        shift = torch.einsum("d,pdc->pc", self._mean, self._weights.double())
        intercept: np.ndarray = (self._intercept.double() - shift).numpy()
        return intercept

    def scores(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Logits (n, classes) of features (n, d), problem by problem."""
        centred = (torch.as_tensor(x) - self._mean).to(self._weights)
        for weights, intercept in zip(self._weights, self._intercept, strict=True):
            yield (centred @ weights + intercept).double().numpy()


def fit_stack(x: np.ndarray, rows: np.ndarray, label: np.ndarray, classes: int, strength: float, *, gap: float = 1e-6) -> Stack:
    """The solutions of problems whose examples are the `rows`, int (problems, n), of features x (N, d).

    `label` is int (problems, n). Each class should occur in each problem.
    """
    small = rows.shape[1] * x.shape[1] * classes < SMALL
    at_once = max(1, NUMBERS // (rows.shape[1] * x.shape[1]))
    mean = torch.from_numpy(x).double().mean(dim=0)  # in float64: of equal rows the last digits are left
    centred = (torch.from_numpy(x) - mean).to(torch.float64 if small else torch.float32)
    solved = []
    for first in range(0, len(rows), at_once):
        some = slice(first, first + at_once)
        taken = centred[torch.from_numpy(rows[some])]
        solved.append(_Problems(taken, torch.from_numpy(label[some]), classes, strength).solved(gap))
    return Stack(
        relative_gap=torch.cat([reached for *_, reached, _ in solved]).numpy(),
        steps=max(steps for *_, steps in solved),
        _weights=torch.cat([weights for weights, *_ in solved]),
        _intercept=torch.cat([intercept for _, intercept, *_ in solved]),
        _mean=mean,
    )


class _Problems:
    """A stack of problems and where their solution stands."""

    def __init__(self, x: torch.Tensor, label: torch.Tensor, classes: int, strength: float) -> None:
        self._x, self._strength = x, strength
        self._truth = torch.nn.functional.one_hot(label, classes).to(x)
        self._weights = x.new_zeros(len(x), x.shape[2], classes)
        self._intercept = self._truth.mean(dim=1).clamp(min=1e-12).log()
        self._intercept -= self._intercept.mean(dim=1, keepdim=True)
        self._logits = self._intercept[:, None, :].repeat(1, x.shape[1], 1)

    def solved(self, gap: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        """Weights, intercepts, proven gaps and steps, when every problem is proven to be within the gap, or at MOST_STEPS."""
        direction = torch.zeros_like(self._weights)
        before: torch.Tensor | None = None
        for steps in range(MOST_STEPS + 1):
            residual = self._settled()
            gradient = torch.baddbmm(self._weights, self._x.transpose(1, 2), residual, beta=self._strength)
            reached = self._gap(gradient)
            if steps == MOST_STEPS or float(reached.max()) <= gap:
                break
            direction = self._direction(gradient, before, direction)
            before = gradient
            self._move(direction)
        return self._weights, self._intercept, reached, steps

    def _gap(self, gradient: torch.Tensor) -> torch.Tensor:
        """The proven relative gap of each problem, float64 (problems,)."""
        losses = torch.logsumexp(self._logits, dim=2) - (self._logits * self._truth).sum(dim=2)
        penalty = self._strength / 2 * self._weights.square().sum(dim=(1, 2), dtype=torch.float64)
        objective = losses.sum(dim=1, dtype=torch.float64) + penalty
        return gradient.square().sum(dim=(1, 2), dtype=torch.float64) / (2 * self._strength) / objective.clamp(min=1e-300)

    @staticmethod
    def _direction(gradient: torch.Tensor, before: torch.Tensor | None, direction: torch.Tensor) -> torch.Tensor:
        if before is None:
            return -gradient
        gained = ((gradient - before) * gradient).sum(dim=(1, 2)) / before.square().sum(dim=(1, 2)).clamp(min=1e-30)
        found = gained.clamp(min=0)[:, None, None] * direction - gradient
        descends = (found * gradient).sum(dim=(1, 2), keepdim=True) < 0
        return torch.where(descends, found, -gradient)

    def _move(self, direction: torch.Tensor) -> None:
        """Along the direction to the least F: Newton's method in the length of each problem's step."""
        change = torch.bmm(self._x, direction)
        bend = self._strength * direction.square().sum(dim=(1, 2))
        tilt = self._strength * (self._weights * direction).sum(dim=(1, 2))
        length = torch.zeros_like(bend)
        for _ in range(TRIALS):
            p = torch.softmax(self._logits + length[:, None, None] * change, dim=2)
            slope = ((p - self._truth) * change).sum(dim=(1, 2)) + tilt + length * bend
            mean = (p * change).sum(dim=2, keepdim=True)
            curvature = (p * (change - mean).square()).sum(dim=(1, 2)) + bend
            step = -slope / curvature.clamp(min=1e-30)
            length = length + step
            if float((step.abs() / length.abs().clamp(min=1e-30)).max()) < 0.05:
                break
        self._weights += length[:, None, None] * direction
        self._logits += length[:, None, None] * change

    def _settled(self) -> torch.Tensor:
        """Move the intercepts to their optimum, and return the residual (problems, n, classes) there."""
        classes = self._truth.shape[2]
        for _ in range(3):
            p = torch.softmax(self._logits, dim=2)
            residual = p - self._truth
            slope = residual.sum(dim=1, dtype=torch.float64)
            if float(slope.abs().max()) <= 1e-7 * self._truth.shape[1]:
                break
            hessian = torch.diag_embed(p.sum(dim=1)) - torch.bmm(p.transpose(1, 2), p)
            total = hessian.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None].clamp(min=1e-12)
            hessian = hessian + total * (1e-9 * torch.eye(classes, dtype=p.dtype) + 1 / classes**2)  # a common shift is free
            step = -torch.linalg.solve(hessian.double(), slope).clamp(-2.0, 2.0).to(p)
            self._intercept += step
            self._logits += step[:, None, :]
        return residual
