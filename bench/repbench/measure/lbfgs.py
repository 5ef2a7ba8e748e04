"""The two parts of L-BFGS (Nocedal & Wright, chapters 3 and 7): the pairs of curvature, and a line search on kept logits."""

from __future__ import annotations

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
        self._strength, self._last = strength, None

    def learn(self, point: np.ndarray, gradient: np.ndarray) -> None:
        """Take up the pair from the last point to this one, if its curvature is positive."""
        if self._last is not None:
            step, change = point - self._last[0], gradient - self._last[1]
            if np.vdot(step, change) > 1e-12 * np.linalg.norm(step) * np.linalg.norm(change):
                self._pairs = [*self._pairs, (step, change)][-self._size :]
        self._last = (point, gradient)

    def forget(self) -> bool:
        """Drop all pairs; False if there were none."""
        had = bool(self._pairs)
        self._pairs = []
        return had

    def direction(self, gradient: np.ndarray, curvature: np.ndarray) -> np.ndarray:
        """The quasi-Newton descent direction by the two-loop recursion around the diagonal `curvature`."""
        q = -gradient
        weights: list[float] = []
        pairs = [(step, change) for step, change in self._pairs if np.vdot(step, change) > 0]
        for step, change in reversed(pairs):
            weight = float(np.vdot(step, q) / np.vdot(step, change))
            q = q - weight * change
            weights.append(weight)
        r = q / curvature
        if pairs:  # scale the diagonal to the curvature that was seen last
            step, change = pairs[-1]
            r *= float(np.vdot(step, change) / np.vdot(change, change / curvature))
        for (step, change), weight in zip(pairs, reversed(weights), strict=True):
            r = r + step * (weight - float(np.vdot(change, r) / np.vdot(step, change)))
        downhill: np.ndarray = r if np.vdot(r, gradient) < 0 else -gradient / curvature
        return downhill


def line_search(
    problem: _Problem,
    point: np.ndarray,
    logits: np.ndarray,
    direction: np.ndarray,
    change: np.ndarray,
    strength: float,
) -> float:
    """A step length that satisfies the strong Wolfe conditions (1e-4, 0.5); 0.0 if rounding allows none.

    The logits move along a line, so a trial costs no product of the data. F is convex along it: bracket the zero of the
    slope by safeguarded secants.
    """
    weight_direction = float(np.vdot(point[:-1], direction[:-1]))
    square = float((direction[:-1] ** 2).sum())

    def slope(step: float) -> float:
        _, residual = problem.loss(logits + step * change)
        return float(np.vdot(residual, change)) + strength * (weight_direction + step * square)

    at_zero = slope(0.0)
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
