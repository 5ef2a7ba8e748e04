"""The two parts of L-BFGS (Nocedal & Wright, chapters 3 and 7): the pairs of curvature, and a line search on kept logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from repbench.measure.logistic import _Problem


class History:
    """The last `size` pairs (step, change of gradient); they carry over between strengths exactly."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self._strength: float | None = None

    def at_strength(self, strength: float) -> None:
        """Move all pairs to another strength: the penalty adds (new - old) x step to each change of gradient."""
        if self._strength is not None:
            for step, change in self._pairs:
                change[:-1] += (strength - self._strength) * step[:-1]
        self._pairs = [(step, change) for step, change in self._pairs if dot(step, change) > 0]
        self._strength, self._last = strength, None

    def learn(self, point: np.ndarray, gradient: np.ndarray) -> None:
        """Take up the pair from the last point to this one, if its curvature is positive."""
        if self._last is not None:
            step, change = point - self._last[0], gradient - self._last[1]
            if dot(step, change) > 1e-12 * np.sqrt(dot(step, step) * dot(change, change)):
                self._pairs = [*self._pairs, (step, change)][-self._size :]
        self._last = (point, gradient)

    def forget(self) -> bool:
        """Drop all pairs; False if there were none."""
        had = bool(self._pairs)
        self._pairs = []
        return had

    def direction(self, gradient: np.ndarray, solve: Callable[[np.ndarray], np.ndarray], exact: bool) -> np.ndarray:
        """The quasi-Newton descent direction by the two-loop recursion; `solve` divides by an approximate Hessian."""
        q = -gradient
        weights: list[float] = []
        inverse = [1.0 / dot(step, change) for step, change in self._pairs]
        for (step, change), rho in zip(reversed(self._pairs), reversed(inverse), strict=True):
            weights.append(rho * dot(step, q))
            q -= weights[-1] * change
        r = solve(q)
        if self._pairs and not exact:  # scale it to the curvature that was seen last
            change = self._pairs[-1][1]
            r *= 1.0 / (inverse[-1] * dot(change, solve(change)))
        for (step, change), rho, weight in zip(self._pairs, inverse, reversed(weights), strict=True):
            r += step * (weight - rho * dot(change, r))
        downhill: np.ndarray = r if dot(r, gradient) < 0 else -solve(gradient)
        return downhill


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of products. Not by BLAS: its threads cost more than these short vectors."""
    return float(np.einsum("ij,ij->", a, b))


def line_search(
    problem: _Problem,
    point: np.ndarray,
    logits: np.ndarray,
    direction: np.ndarray,
    change: np.ndarray,
    strength: float,
    at_zero: float,
) -> float:
    """A step length that satisfies the strong Wolfe conditions (1e-4, 0.5); 0.0 if rounding allows none.

    `at_zero` is the slope of F along the direction at the start.
    The logits move along a line, so a trial costs no product of the data. F is convex along it: bracket the zero of the
    slope by safeguarded secants.
    """
    weight_direction = dot(point[:-1], direction[:-1])
    square = dot(direction[:-1], direction[:-1])

    def slope(step: float) -> float:
        _, residual = problem.loss(logits + step * change)
        return dot(residual, change) + strength * (weight_direction + step * square)

    if at_zero >= 0:
        return 0.0
    low, low_slope, high, high_slope, step = 0.0, at_zero, np.inf, np.inf, 1.0
    for _ in range(40):
        now = slope(step)
        if abs(now) <= 0.5 * abs(at_zero):  # by convexity this also gives sufficient decrease
            return step
        if now < 0:
            low, low_slope = step, now
        else:
            high, high_slope = step, now
        if np.isinf(high):
            step *= 2.0 if low_slope >= at_zero * 0.9 else 1.5
            continue
        step = low - low_slope * (high - low) / (high_slope - low_slope)
        step = float(np.clip(step, low + 0.05 * (high - low), high - 0.05 * (high - low)))
    return low
