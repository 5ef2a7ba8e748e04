"""The two parts of L-BFGS (Nocedal & Wright, chapters 3 and 7): the pairs of curvature, and a line search on kept logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from repbench.measure.logistic import _Problem, _State


class History:
    """The last `size` pairs (step, change of gradient), which carry over between strengths.

    A change of gradient has a part of the penalty, moved exactly, and a part of the data, which shrinks with the curvature of
    the loss: where classes are separable, both fall together with the strength.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._pairs: list[tuple[np.ndarray, np.ndarray, float]] = []  # step, change, curvature at which it was seen
        self._last: tuple[np.ndarray, np.ndarray, float] | None = None
        self._strength = 0.0

    def at_strength(self, strength: float, curvature: float) -> None:
        """Move all pairs and the last gradient to another strength and to the curvature of the loss (any scale) there."""
        more = strength - self._strength
        for step, change, before in self._pairs:
            change[:-1] -= change.dtype.type(self._strength) * step[:-1]
            change *= change.dtype.type(np.clip(curvature / max(before, 1e-300), 0.01, 100.0))
            change[:-1] += change.dtype.type(strength) * step[:-1]
        self._pairs = [(step, change, curvature) for step, change, _ in self._pairs if dot(step, change) > 0]
        if self._last is not None:
            point, gradient, before = self._last
            gradient = gradient.copy()
            gradient[:-1] += gradient.dtype.type(more) * point[:-1]
            self._last = (point, gradient, before)
        self._strength = strength

    def learn(self, point: np.ndarray, gradient: np.ndarray, curvature: float) -> None:
        """Take up the pair from the last point to this one, if its curvature is positive."""
        if self._last is not None:
            step, change = point - self._last[0], gradient - self._last[1]
            if dot(step, change) > 1e-8 * np.sqrt(dot(step, step) * dot(change, change)):
                between = float(np.sqrt(max(curvature, 1e-300) * max(self._last[2], 1e-300)))
                self._pairs = [*self._pairs, (step, change, between)][-self._size :]
        self._last = (point, gradient, curvature)

    def forget(self) -> bool:
        """Drop all pairs; False if there were none."""
        had = bool(self._pairs)
        self._pairs = []
        return had

    def direction(self, gradient: np.ndarray, solve: Callable[[np.ndarray], np.ndarray], exact: bool) -> np.ndarray:
        """The quasi-Newton descent direction by the two-loop recursion; `solve` divides by an approximate Hessian."""
        q = -gradient
        weights: list[float] = []
        inverse = [1.0 / dot(step, change) for step, change, _ in self._pairs]
        for (step, change, _), rho in zip(reversed(self._pairs), reversed(inverse), strict=True):
            weights.append(rho * dot(step, q))
            q -= q.dtype.type(weights[-1]) * change
        r = solve(q)
        if self._pairs and not exact:  # scale it to the curvature that was seen last
            change = self._pairs[-1][1]
            r *= r.dtype.type(1.0 / (inverse[-1] * dot(change, solve(change))))
        for (step, change, _), rho, weight in zip(self._pairs, inverse, reversed(weights), strict=True):
            r += step * r.dtype.type(weight - rho * dot(change, r))
        downhill: np.ndarray = r if dot(r, gradient) < 0 else -solve(gradient)
        return downhill


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of products."""
    return float(np.vdot(a, b))


def line_search(
    problem: _Problem, state: _State, direction: np.ndarray, change: np.ndarray, strength: float, at_zero: float
) -> tuple[_State, float, np.ndarray] | None:
    """The state, loss and residual at a step that satisfies the strong Wolfe conditions (1e-4, 0.5); None if there is none.

    `change` is what the direction does to the logits, `at_zero` the slope of F along it at the start.
    The logits move along a line, so a trial costs no product of the data. F is convex along it: bracket the zero of the
    slope by safeguarded secants.
    """
    if not at_zero < 0:
        return None
    weight_direction = dot(state.point[:-1], direction[:-1])
    square = dot(direction[:-1], direction[:-1])
    low, low_slope, high, high_slope, step = 0.0, at_zero, np.inf, np.inf, 1.0
    kept: tuple[_State, float, np.ndarray] | None = None
    for _ in range(40):
        trial = state.moved(change.dtype.type(step), direction, change)
        loss, residual = problem.loss(trial.logits)
        now = dot(residual, change) + strength * (weight_direction + step * square)
        if abs(now) <= 0.5 * abs(at_zero):  # by convexity this also gives sufficient decrease
            return trial, loss, residual
        if now < 0:
            low, low_slope, kept = step, now, (trial, loss, residual)
        else:
            high, high_slope = step, now
        if np.isinf(high):
            step *= 2.0 if low_slope >= at_zero * 0.9 else 1.5
            continue
        step = low - low_slope * (high - low) / (high_slope - low_slope)
        step = float(np.clip(step, low + 0.05 * (high - low), high - 0.05 * (high - low)))
    return kept
