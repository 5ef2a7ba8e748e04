"""L2-regularised multinomial logistic regression: the whole path of strengths, solved, with a proof that it is.

    F(W, b) = sum_i [ log sum_c exp(x_i W_c + b_c) - (x_i W_y + b_y) ] + strength / 2 * ||W||^2

Losses are summed and the intercept b is not penalised, so strength = 1 / C of scikit-learn (for two classes 2 / C: there
scikit-learn fits one weight vector, and the softmax used here splits the penalty over two). Linear evaluation in SimCLR
(Chen et al. 2020, B.8.1) and BYOL (D.2): 45 strengths, logarithmically spaced from 1e-6 to 1e5.

How: features are centred (the intercept absorbs it) and rotated into the eigenvectors of their covariance, where the
curvature is close to diagonal for every strength. L-BFGS, preconditioned by that diagonal, goes down the path from strong to
weak. The logits are kept: an iteration costs two products of the data, its line search none, and neither does the start at
each strength, a polynomial through the last solutions; the pairs of curvature carry over. Where that is slow (weak strengths,
classes that overlap), the diagonal gives way to the exact Hessian of each class by itself. Small problems are solved in
float64, large ones with float32 products and float64 sums (unless the asked gap is finer than float32 can prove).

Proof: F is strongly convex in W with modulus `strength`, hence, with b at its optimum, F - min F is at most
||grad_W||^2 / (2 strength). This bound, relative to F, is the `relative_gap` of each solution. With float32 products it is
proven up to their rounding: recomputed in float64, it is the same within a hundredth (tests).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from repbench.errors import ProtocolError
from repbench.measure.coordinates import combined, lagrange, rotate
from repbench.measure.lbfgs import History, dot, line_search
from repbench.measure.softmax import intercept_hessian, loss_and_residual, uncertainty

STRENGTHS: tuple[float, ...] = tuple(float(value) for value in np.logspace(-6, 5, 45))
MOST_EVALUATIONS = 80  # per strength; overlapping classes with hardly any penalty reach it, and then the solution says so
PAIRS = 20  # of curvature that L-BFGS keeps; measured at 10, 20, 30 and 60: more save nothing
PATIENCE = 20  # evaluations at one strength after which the Hessians of the classes are inverted (anew)
NEAR = 30.0  # times the gap: from there on the intercept is settled at each evaluation, as the proof needs it
FINE = 1e-6  # a gap below this is proven in float64 only
MOST_BLOCKS = 4 * 10**7  # numbers in these Hessians: 320 MB
SMALL = 10**7  # n x d x classes below which one thread is faster; above, two quiet cores save a quarter


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The fit at one strength: weights float64 (d, classes), intercept (classes,), and how well it is solved."""

    weights: np.ndarray
    intercept: np.ndarray
    strength: float
    objective: float
    gradient_norm: float
    relative_gap: float  # proven: (F - min F) / F is at most this
    evaluations: int  # forward and backward products of the data matrix, spent on this strength
    converged: bool

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, classes), float64, of features (n, d)."""
        scores: np.ndarray = np.asarray(x, dtype=np.float64) @ self.weights + self.intercept
        return scores


def fit_path(
    x: np.ndarray, y: np.ndarray, classes: int, strengths: Sequence[float] = STRENGTHS, *, gap: float = 1e-4
) -> tuple[Solution, ...]:
    """One solution per strength, in the order given.

    x float (n, d), y int (n,) in [0, classes). Raises ProtocolError for empty or non-finite data or a strength <= 0.
    """
    with _threads(x, classes):
        precise = gap < FINE or np.size(x) * classes < SMALL
        return _fit_path(_Problem(x, y, classes, np.float64 if precise else np.float32), strengths, gap)


def _fit_path(problem: _Problem, strengths: Sequence[float], gap: float) -> tuple[Solution, ...]:
    order = sorted(set(strengths), reverse=True)
    if not order or order[-1] <= 0:
        raise ProtocolError(f"strengths must be above 0; got {list(strengths)}.")
    solved: dict[float, Solution] = {}
    state = problem.start()
    points: list[tuple[float, _State]] = []
    history = History(size=PAIRS)
    for strength in order:
        guess = problem.predict(points, strength) if points else state
        state, stop = problem.minimise(guess, strength, gap, history)
        points = [*points[-2:], (strength, state)]
        solved[strength] = problem.solution(state.point, strength, stop)
    return tuple(solved[strength] for strength in strengths)


def fit(x: np.ndarray, y: np.ndarray, classes: int, strength: float, *, gap: float = 1e-4) -> Solution:
    """The solution at one strength, reached down the path from the strong end: far from zero that is the sure way.

    Its `evaluations` are those of the whole way. Raises as `fit_path`.
    """
    stronger = [other for other in STRENGTHS if other > strength]
    way = fit_path(x, y, classes, [strength, *stronger], gap=gap)
    return replace(way[0], evaluations=sum(solution.evaluations for solution in way))


def _threads(x: np.ndarray, classes: int) -> AbstractContextManager[object]:
    return threadpool_limits(limits=1) if np.size(x) * classes < SMALL else nullcontext()


@dataclass(frozen=True, kw_only=True)
class _Stop:
    objective: float
    gradient_norm: float
    relative_gap: float
    evaluations: int
    converged: bool


@dataclass(frozen=True, kw_only=True)
class _State:
    """A point and its logits (n, classes), which follow it without a product of the data."""

    point: np.ndarray
    logits: np.ndarray

    def moved(self, step: float, direction: np.ndarray, change: np.ndarray) -> _State:
        return _State(point=self.point + step * direction, logits=self.logits + step * change)


class _Problem:
    """The data in rotated coordinates. A point is (r + 1, classes): r rotated weights and, as last row, the intercept."""

    def __init__(self, x: np.ndarray, y: np.ndarray, classes: int, dtype: type[np.floating[Any]]) -> None:
        x = np.asarray(x)
        if x.ndim != 2 or not len(x) or len(x) != len(y):
            raise ProtocolError(f"logistic regression needs features (n, d) and n labels; got {x.shape} and {np.shape(y)}.")
        if not np.isfinite(x).all():
            raise ProtocolError("logistic regression needs finite features; some are NaN or infinite.")
        self.classes, self.y, self.dtype = classes, np.asarray(y), dtype
        self.mean = x.mean(axis=0, dtype=np.float64)
        rotated, self.basis = rotate((x - self.mean).astype(dtype, copy=False))
        columns = np.empty((rotated.shape[1] + 1, len(x)), dtype)  # column by column: both products are faster so
        columns[:-1], columns[-1] = rotated.T, 1.0
        self.z = columns.T
        self.spread = np.einsum("ij,ij->i", columns, columns)  # diagonal of Z'Z; its other entries vanish
        self.blocks: np.ndarray | None = None  # inverse Hessian of each class, (classes, r + 1, r + 1)

    def start(self) -> _State:
        """Zero weights, and the intercepts of the class frequencies (a class without examples far below)."""
        point = np.zeros((self.z.shape[1], self.classes), self.dtype)
        counts = np.bincount(self.y, minlength=self.classes)
        point[-1] = np.log(np.maximum(counts, 1e-3) / len(self.y))
        return _State(point=point, logits=np.tile(point[-1], (len(self.y), 1)))

    def predict(self, points: Sequence[tuple[float, _State]], strength: float) -> _State:
        """The best start: the last solution, or the line or parabola in log strength through the last two or three."""
        best: tuple[float, _State] | None = None
        for count in range(1, len(points) + 1):
            past = points[-count:]
            shares = lagrange(np.log(strength), [np.log(other) for other, _ in past])
            state = _State(
                point=combined(shares, [one.point for _, one in past]),
                logits=combined(shares, [one.logits for _, one in past]),
            )
            value = self.objective(self.loss(state.logits)[0], state.point, strength)
            if best is None or value < best[0]:
                best = (value, state)
        assert best is not None
        return best[1]

    def objective(self, loss: float, point: np.ndarray, strength: float) -> float:
        """F from the summed loss and the penalty."""
        return loss + strength / 2 * float(np.square(point[:-1], dtype=np.float64).sum())

    def solution(self, point: np.ndarray, strength: float, stop: _Stop) -> Solution:
        """The solution in original coordinates; of the intercepts, free up to a shift, those that sum to zero."""
        weights = (self.basis @ point[:-1]).astype(np.float64)
        point = point.astype(np.float64)
        intercept = point[-1] - self.mean @ weights
        return Solution(
            weights=weights,
            intercept=intercept - intercept.mean(),
            strength=strength,
            objective=stop.objective,
            gradient_norm=stop.gradient_norm,
            relative_gap=stop.relative_gap,
            evaluations=stop.evaluations,
            converged=stop.converged,
        )

    def loss(self, logits: np.ndarray) -> tuple[float, np.ndarray]:
        """Summed cross-entropy, and softmax minus one-hot (n, classes)."""
        return loss_and_residual(logits, self.y)

    def gradient(self, point: np.ndarray, residual: np.ndarray, strength: float) -> np.ndarray:
        """Gradient of F, (r + 1, classes)."""
        gradient: np.ndarray = self.z.T @ residual
        gradient[:-1] += self.dtype(strength) * point[:-1]
        return gradient

    def curvature(self, residual: np.ndarray, strength: float) -> np.ndarray:
        """Diagonal of an approximate Hessian: spread x mean p (1 - p) of each class, plus the penalty."""
        p = np.abs(residual)
        mean = np.maximum((p * (1 - p)).mean(axis=0), 1e-12)
        diagonal = self.spread[:, None] * mean[None]
        diagonal[:-1] += strength
        positive: np.ndarray = np.maximum(diagonal, 1e-300)
        return positive

    def inverse_blocks(self, residual: np.ndarray, strength: float) -> np.ndarray | None:
        """The inverse of each class's own Hessian, (classes, r + 1, r + 1); None where they are too large to hold."""
        width = self.z.shape[1]
        if self.classes * width**2 > MOST_BLOCKS:
            return None
        penalty = np.full(width, strength, np.float64)
        penalty[-1] = 1e-9 * len(self.y)  # the intercept has none; this keeps a class that is nowhere likely invertible
        blocks = np.empty((self.classes, width, width), self.dtype)
        for place in range(self.classes):
            p = np.abs(residual[:, place])
            hessian = ((self.z.T * (p * (1 - p))) @ self.z).astype(np.float64)
            hessian[np.diag_indices(width)] += penalty
            blocks[place] = np.linalg.inv(hessian)
        return blocks

    def solver(self, residual: np.ndarray, strength: float) -> Callable[[np.ndarray], np.ndarray]:
        """Division by the approximate Hessian: the classes' own Hessians where they were factorised, else the diagonal."""
        if self.blocks is not None:
            blocks = self.blocks
            return lambda q: np.matmul(blocks, q.T[:, :, None])[:, :, 0].T
        diagonal = self.curvature(residual, strength)
        return lambda q: q / diagonal

    def settle_intercept(self, state: _State, strength: float, gap: float) -> tuple[_State, float, np.ndarray, bool]:
        """The intercept at its optimum for these weights (Newton; costs no product of the data), loss and residual there.

        The last is whether it is there: whether the Newton decrement is below a millionth of the gap that is to be proven.
        """
        loss, residual = self.loss(state.logits)
        hessian, before, renewed = intercept_hessian(residual, self.y), np.inf, 0
        for _ in range(20):
            step = -np.linalg.solve(hessian, slope := residual.sum(axis=0, dtype=np.float64))
            decrement = -float(slope @ step)
            if decrement <= 1e-6 * gap * self.objective(loss, state.point, strength):
                return state, loss, residual, True
            if decrement > 0.25 * before:  # the Hessian has aged; or, if that was not it, rounding is reached
                if renewed == 2:
                    break
                hessian, before, renewed = intercept_hessian(residual, self.y), np.inf, renewed + 1
                continue
            before = decrement
            step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-300))  # a class without examples would run away
            point = state.point.copy()
            point[-1] += step.astype(self.dtype)
            state = _State(point=point, logits=state.logits + step.astype(self.dtype))
            loss, residual = self.loss(state.logits)
        return state, loss, residual, False

    def minimise(self, state: _State, strength: float, gap: float, history: History) -> tuple[_State, _Stop]:
        """The point where F is proven to lie within `gap` (relative) of its minimum."""
        evaluations = 0
        state, loss, residual, settled = self.settle_intercept(state, strength, gap)
        history.at_strength(strength, uncertainty(residual))
        while True:
            objective = self.objective(loss, state.point, strength)
            gradient = self.gradient(state.point, residual, strength)
            evaluations += 1
            norm = float(np.sqrt(np.square(gradient[:-1], dtype=np.float64).sum()))
            bound = norm**2 / (2 * strength) / max(objective, 1e-300)
            history.learn(state.point, gradient, uncertainty(residual))
            if (bound <= gap and settled) or evaluations >= MOST_EVALUATIONS:
                return state, _Stop(
                    objective=objective,
                    gradient_norm=norm,
                    relative_gap=bound,
                    evaluations=evaluations,
                    converged=bound <= gap and settled,
                )
            if bound > gap:
                if evaluations == PATIENCE:
                    self.blocks = self.inverse_blocks(residual, strength)
                direction = history.direction(gradient, self.solver(residual, strength), self.blocks is not None)
                direction -= direction.mean(axis=1, keepdims=True)  # a shift common to all classes changes no difference
                found = line_search(self, state, direction, self.z @ direction, strength, dot(gradient, direction))
                if found is not None:
                    state, loss, residual = found
                elif not history.forget():  # rounding has eaten the descent, and not by the pairs: give up
                    evaluations = MOST_EVALUATIONS - 1
            settled = False
            if bound <= NEAR * gap or evaluations >= MOST_EVALUATIONS - 1:
                state, loss, residual, settled = self.settle_intercept(state, strength, gap)
