"""Many logistic regressions of one shape, solved side by side: draws of a few-shot protocol, seeds, folds of one length.

    F(W, b) = sum_i loss(x_i W + b, y_i) + strength / 2 * ||W||^2        as in measure/logistic.py, for each problem

Nonlinear conjugate gradients (Polak & Ribiere 1969, restarted where a direction does not descend) on all problems at once, in
products of stacked matrices. The logits are kept, so the line search, Newton's in one number a problem, costs no product of the
data; after each step the intercepts are moved to their optimum by Newton's method. That suits problems whose penalty is strong
beside their data; the proof is that of measure/logistic.py, F - min F <= ||grad_W||^2 / (2 strength). A problem that is proven
leaves the stack, and takes no step that it would not take alone, so that its solution does not depend on the others; but the
longest of them decides for all whether products are in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from repbench.errors import ProtocolError
from repbench.measure.checked import check_gap, check_sizes, checked_labels, checked_rows, checked_strengths, numbers

ABSENT = -1  # in place of a row: a problem has fewer than others
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
        """Logits (n, classes) of features (n, d), problem by problem. Raises ProtocolError for features of another width."""
        centred = (torch.tensor(np.ascontiguousarray(checked_rows(x, len(self._mean)))) - self._mean).to(self._weights)
        for weights, intercept in zip(self._weights, self._intercept, strict=True):
            yield (centred @ weights + intercept).double().numpy()


def fit_stack(x: np.ndarray, rows: np.ndarray, label: np.ndarray, classes: int, strength: float, *, gap: float = 1e-6) -> Stack:
    """The solutions of problems whose examples are the `rows`, int (problems, n), of features x (N, d).

    `label` is int (problems, n). A problem with fewer rows than others, a fold, has ABSENT in their place, and any label there.
    Each class should occur in each problem. Raises ProtocolError as `logistic.fit_path`, for rows that are not there and for a
    problem without any.
    """
    x, rows, label = _checked(x, rows, label, classes)
    check_gap(gap)
    checked_strengths([strength])
    there = rows != ABSENT
    small = rows.shape[1] * x.shape[1] * classes < SMALL
    at_once = max(1, NUMBERS // (rows.shape[1] * x.shape[1]))
    features = torch.tensor(x)
    mean = features.double().mean(dim=0)  # in float64: of equal rows the last digits are left
    centred = (features - mean).to(torch.float64 if small else torch.float32)
    solved = []
    for first in range(0, len(rows), at_once):
        some = slice(first, first + at_once)
        kept = torch.from_numpy(there[some, :, None])
        truth = torch.nn.functional.one_hot(torch.from_numpy(label[some]), classes).to(centred)
        taken = centred[torch.from_numpy(rows[some])]
        solved.append(_Problems.of(taken.mul_(kept), truth.mul_(kept), kept).solved(strength, gap))
    weights, intercept, reached = (torch.cat(parts) for parts in zip(*(found[:3] for found in solved), strict=True))
    steps = max(found[3] for found in solved)
    return Stack(relative_gap=reached.numpy(), steps=steps, _weights=weights, _intercept=intercept, _mean=mean)


def _checked(x: np.ndarray, rows: np.ndarray, label: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, d), rows and labels int64 (problems, n); a label is 0 where there is no row."""
    x, rows, label = np.ascontiguousarray(numbers(x)), np.asarray(rows), np.asarray(label)
    whole = np.issubdtype(rows.dtype, np.integer)
    if x.ndim != 2 or not x.size or not whole or rows.ndim != 2 or rows.shape != label.shape or not rows.size:
        raise ProtocolError(
            f"a stack needs features (N, d), and rows and labels, whole numbers (problems, n);"
            f" got {x.shape}, {rows.shape} and {label.shape}."
        )
    rows = rows.astype(np.int64)
    there = rows != ABSENT
    if rows.min() < ABSENT or rows.max() >= len(x) or not there.any(axis=1).all():
        raise ProtocolError(f"each problem has rows from 0 to {len(x) - 1}; got {rows.min()} to {rows.max()}.")
    check_sizes(x)
    known = np.zeros(rows.shape, dtype=np.int64)
    known[there] = checked_labels(label[there], classes)
    return x, rows, known


@dataclass(kw_only=True)
class _Problems:
    """Problems of a stack that are not proven yet, and where each stands."""

    x: torch.Tensor  # (problems, n, d), zeros where there is no row
    truth: torch.Tensor  # (problems, n, classes), one-hot, the same
    there: torch.Tensor  # (problems, n, 1), which rows there are
    place: torch.Tensor  # int (problems,), in the stack
    weights: torch.Tensor  # (problems, d, classes)
    intercept: torch.Tensor  # (problems, classes)
    logits: torch.Tensor  # (problems, n, classes)
    direction: torch.Tensor  # of the last step, as the weights
    before: torch.Tensor  # the gradient there

    @classmethod
    def of(cls, x: torch.Tensor, truth: torch.Tensor, there: torch.Tensor) -> _Problems:
        """At the frequencies of the classes, without weights."""
        intercept = (truth.sum(dim=1) / there.sum(dim=1)).clamp(min=1e-12).log()
        intercept -= intercept.mean(dim=1, keepdim=True)
        weights = x.new_zeros(len(x), x.shape[2], truth.shape[2])
        return cls(
            x=x,
            truth=truth,
            there=there,
            place=torch.arange(len(x)),
            weights=weights,
            intercept=intercept,
            logits=intercept[:, None, :].repeat(1, x.shape[1], 1),
            direction=weights,
            before=torch.ones_like(weights),  # of no weight while there is no direction
        )

    def only(self, chosen: torch.Tensor) -> _Problems:
        """Some of them, bool (problems,)."""
        return self if bool(chosen.all()) else _Problems(**{name: value[chosen] for name, value in vars(self).items()})

    def solved(self, strength: float, gap: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        """Weights, intercepts and gaps where each is proven to be within the gap, or at MOST_STEPS; and the most steps."""
        weights, intercept, now = torch.empty_like(self.weights), torch.empty_like(self.intercept), self
        gaps = torch.empty(len(self.x), dtype=torch.float64)
        for steps in range(MOST_STEPS + 1):
            residual = now._settled()
            gradient = torch.baddbmm(now.weights, now.x.transpose(1, 2), residual, beta=strength)
            reached = now._gap(gradient, strength)
            left = ~(reached <= gap) & (steps < MOST_STEPS)  # NaN is not proven
            done = now.place[~left]
            weights[done], intercept[done], gaps[done] = now.weights[~left], now.intercept[~left], reached[~left]
            if not bool(left.any()):
                break
            now, gradient = now.only(left), gradient[left]
            now._step(gradient, strength)
        return weights, intercept, gaps, steps

    def _gap(self, gradient: torch.Tensor, strength: float) -> torch.Tensor:
        """The proven relative gap of each problem, float64 (problems,)."""
        losses = (torch.logsumexp(self.logits, dim=2, keepdim=True) * self.there)[:, :, 0]
        losses -= (self.logits * self.truth).sum(dim=2)
        penalty = strength / 2 * self.weights.square().sum(dim=(1, 2), dtype=torch.float64)
        objective = losses.sum(dim=1, dtype=torch.float64) + penalty
        return gradient.square().sum(dim=(1, 2), dtype=torch.float64) / (2 * strength) / objective.clamp(min=1e-300)

    def _step(self, gradient: torch.Tensor, strength: float) -> None:
        gained = ((gradient - self.before) * gradient).sum(dim=(1, 2)) / self.before.square().sum(dim=(1, 2)).clamp(min=1e-30)
        found = gained.clamp(min=0)[:, None, None] * self.direction - gradient
        descends = (found * gradient).sum(dim=(1, 2), keepdim=True) < 0
        self.before, self.direction = gradient, torch.where(descends, found, -gradient)
        self._move(strength)

    def _move(self, strength: float) -> None:
        """Along the direction to the least F: Newton's method in the length of each problem's step."""
        change = torch.bmm(self.x, self.direction)
        bend = strength * self.direction.square().sum(dim=(1, 2))
        tilt = strength * (self.weights * self.direction).sum(dim=(1, 2))
        length, done = torch.zeros_like(bend), torch.zeros_like(bend, dtype=torch.bool)
        for _ in range(TRIALS):
            p = torch.softmax(self.logits + length[:, None, None] * change, dim=2) * self.there
            slope = ((p - self.truth) * change).sum(dim=(1, 2)) + tilt + length * bend
            mean = (p * change).sum(dim=2, keepdim=True)
            curvature = (p * (change - mean).square()).sum(dim=(1, 2)) + bend
            step = (-slope / curvature.clamp(min=1e-30)).masked_fill(done, 0.0)
            length = length + step
            done |= step.abs() / length.abs().clamp(min=1e-30) < 0.05
            if bool(done.all()):
                break
        self.weights = self.weights + length[:, None, None] * self.direction
        self.logits += length[:, None, None] * change

    def _settled(self) -> torch.Tensor:
        """Move the intercepts to their optimum, and return the residual (problems, n, classes) there."""
        classes, rows = self.truth.shape[2], self.there.sum(dim=1)
        for _ in range(3):
            p = torch.softmax(self.logits, dim=2) * self.there
            residual = p - self.truth
            slope = residual.sum(dim=1, dtype=torch.float64)
            done = slope.abs().amax(dim=1, keepdim=True) <= 1e-7 * rows
            if bool(done.all()):
                break
            hessian = torch.diag_embed(p.sum(dim=1)) - torch.bmm(p.transpose(1, 2), p)
            total = hessian.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None].clamp(min=1e-12)
            hessian = hessian + total * (1e-9 * torch.eye(classes, dtype=p.dtype) + 1 / classes**2)  # a common shift is free
            step = -torch.linalg.solve(hessian.double(), slope).clamp(-2.0, 2.0).masked_fill(done, 0.0).to(p)
            self.intercept += step
            self.logits += step[:, None, :]
        return residual
