"""L2-regularised multinomial logistic regression: the whole path of strengths, solved, with a proof that it is.

    F(W, b) = sum_i [ log sum_c exp(x_i W_c + b_c) - (x_i W_y + b_y) ] + strength / 2 * ||W||^2

Losses are summed and the intercept b is not penalised, so strength = 1 / C of scikit-learn (for two classes 2 / C: there
scikit-learn fits one weight vector, and the softmax used here splits the penalty over two). Linear evaluation in SimCLR
(Chen et al. 2020, B.8.1) and BYOL (D.2): 45 strengths, logarithmically spaced from 1e-6 to 1e5.

How: features are centred (the intercept absorbs it) and rotated into the eigenvectors of their covariance, where the
curvature is close to diagonal for every strength. L-BFGS, preconditioned by that diagonal, goes down the path from strong to
weak; each strength starts from a secant through the two before. The logits are kept, so an iteration costs two products.
Where that is slow (weak strengths, classes that overlap), the diagonal gives way to the exact Hessian of each class by itself.

Proof: F is strongly convex in W with modulus `strength`, hence, with b at its optimum, F - min F is at most
||grad_W||^2 / (2 strength). This bound, relative to F, is the `relative_gap` of each solution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from repbench.errors import ProtocolError
from repbench.measure.lbfgs import History, dot, line_search

STRENGTHS: tuple[float, ...] = tuple(float(value) for value in np.logspace(-6, 5, 45))
MOST_EVALUATIONS = 80  # per strength; overlapping classes with hardly any penalty reach it, and then the solution says so
PAIRS = 30  # of curvature that L-BFGS keeps; measured: fewer cost more evaluations, more save hardly any
PATIENCE = 20  # evaluations at one strength after which the Hessians of the classes are inverted (anew)
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
        return _fit_path(_Problem(x, y, classes), strengths, gap)


def _fit_path(problem: _Problem, strengths: Sequence[float], gap: float) -> tuple[Solution, ...]:
    order = sorted(set(strengths), reverse=True)
    if not order or order[-1] <= 0:
        raise ProtocolError(f"strengths must be above 0; got {list(strengths)}.")
    solved: dict[float, Solution] = {}
    points: list[tuple[float, np.ndarray]] = []
    history = History(size=PAIRS)
    point = problem.start()
    for strength in order:
        start = _secant(points, strength, problem)
        point, stop = problem.minimise(point if start is None else start, point, strength, gap, history)
        points = [*points[-1:], (strength, point)]
        solved[strength] = problem.solution(point, strength, stop)
    return tuple(solved[strength] for strength in strengths)


def fit(x: np.ndarray, y: np.ndarray, classes: int, strength: float, *, gap: float = 1e-4) -> Solution:
    """The solution at one strength, reached down the path from the strong end: far from zero that is the sure way.

    Raises as `fit_path`.
    """
    stronger = [other for other in STRENGTHS if other > strength]
    return fit_path(x, y, classes, [strength, *stronger], gap=gap)[0]


def _threads(x: np.ndarray, classes: int) -> AbstractContextManager[object]:
    return threadpool_limits(limits=1) if np.size(x) * classes < SMALL else nullcontext()


@dataclass(frozen=True, kw_only=True)
class _Stop:
    objective: float
    gradient_norm: float
    relative_gap: float
    evaluations: int
    converged: bool


class _Problem:
    """The data in rotated coordinates. A point is (r + 1, classes): r rotated weights and, as last row, the intercept."""

    def __init__(self, x: np.ndarray, y: np.ndarray, classes: int) -> None:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or not len(x) or len(x) != len(y):
            raise ProtocolError(f"logistic regression needs features (n, d) and n labels; got {x.shape} and {np.shape(y)}.")
        if not np.isfinite(x).all():
            raise ProtocolError("logistic regression needs finite features; some are NaN or infinite.")
        self.classes, self.y = classes, np.asarray(y)
        self.mean = x.mean(axis=0)
        centred = x - self.mean
        rotated, self.basis = _rotate(centred)
        self.z = np.concatenate([rotated, np.ones((len(x), 1))], axis=1)
        self.spread = np.einsum("ij,ij->j", self.z, self.z)  # diagonal of Z'Z; its other entries vanish
        self.rows = np.arange(len(x))
        self.blocks: np.ndarray | None = None  # inverse Hessian of each class, (classes, r + 1, r + 1)

    def start(self) -> np.ndarray:
        """Zero weights, and the intercepts of the class frequencies (a class without examples far below)."""
        point = np.zeros((self.z.shape[1], self.classes))
        counts = np.bincount(self.y, minlength=self.classes)
        point[-1] = np.log(np.maximum(counts, 1e-3) / len(self.y))
        return point

    def solution(self, point: np.ndarray, strength: float, stop: _Stop) -> Solution:
        """The solution in original coordinates; of the intercepts, free up to a shift, those that sum to zero."""
        weights = self.basis @ point[:-1]
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
        """Summed cross-entropy, and softmax minus one-hot (n, classes).

        The residual at the true class is minus the sum of the others, and the loss -log(1 + residual): exact where p is near 1.
        """
        residual = logits - logits.max(axis=1, keepdims=True)
        np.exp(residual, out=residual)
        residual /= residual.sum(axis=1, keepdims=True)
        residual[self.rows, self.y] = 0.0
        others = residual.sum(axis=1)
        with np.errstate(divide="ignore"):
            likely = np.where(others < 0.5, -np.log1p(-np.minimum(others, 0.5)), 0.0)
        far = others >= 0.5  # where p of the true class is small, 1 - others cancels: take the logarithm of the sum instead
        if far.any():
            shifted = logits[far] - logits[far].max(axis=1, keepdims=True)
            likely[far] = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(shifted)), self.y[far]]
        residual[self.rows, self.y] = -others
        return float(likely.sum()), residual

    def gradient(self, point: np.ndarray, residual: np.ndarray, strength: float) -> np.ndarray:
        """Gradient of F, (r + 1, classes)."""
        gradient: np.ndarray = self.z.T @ residual
        gradient[:-1] += strength * point[:-1]
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
        penalty = np.full(width, strength)
        penalty[-1] = 1e-9 * len(self.y)  # the intercept has none; this keeps a class that is nowhere likely invertible
        blocks = np.empty((self.classes, width, width))
        for place in range(self.classes):
            p = np.abs(residual[:, place])
            hessian = (self.z.T * (p * (1 - p))) @ self.z
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

    def settle_intercept(self, point: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Point and logits with the intercept at its optimum for these weights (Newton; costs no product of the data)."""
        for _ in range(20):
            _, residual = self.loss(logits)
            slope = residual.sum(axis=0)
            if np.abs(slope).max() <= 1e-11 * len(self.y):
                break
            p = np.array(residual)
            p[self.rows, self.y] += 1.0
            hessian = np.diag(p.sum(axis=0)) - p.T @ p
            step = -np.linalg.lstsq(hessian, slope, rcond=1e-12)[0]
            step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-300))  # a class without examples would run away
            point, logits = point.copy(), logits + step
            point[-1] += step
        return point, logits

    def minimise(
        self, start: np.ndarray, fallback: np.ndarray, strength: float, gap: float, history: History
    ) -> tuple[np.ndarray, _Stop]:
        """The point where F is proven to lie within `gap` (relative) of its minimum, from the better of two starts."""
        history.at_strength(strength)
        point, logits, evaluations = self._better(start, fallback, strength)
        while True:
            point, logits = self.settle_intercept(point, logits)
            loss, residual = self.loss(logits)
            objective = loss + strength / 2 * float((point[:-1] ** 2).sum())
            gradient = self.gradient(point, residual, strength)
            norm = float(np.linalg.norm(gradient[:-1]))
            bound = norm**2 / (2 * strength) / max(objective, 1e-300)
            history.learn(point, gradient)
            stuck = evaluations >= MOST_EVALUATIONS
            if bound <= gap or stuck:
                stop = _Stop(
                    objective=objective,
                    gradient_norm=norm,
                    relative_gap=bound,
                    evaluations=evaluations,
                    converged=bound <= gap,
                )
                return point, stop
            if evaluations == PATIENCE:
                self.blocks = self.inverse_blocks(residual, strength)
            direction = history.direction(gradient, self.solver(residual, strength), self.blocks is not None)
            direction -= direction.mean(axis=1, keepdims=True)  # a shift common to all classes changes no logit difference
            change = self.z @ direction
            evaluations += 1
            step = line_search(self, point, logits, direction, change, strength, dot(gradient, direction))
            if step == 0.0:  # rounding has eaten the descent: forget the pairs once, then give up
                if not history.forget():
                    evaluations = MOST_EVALUATIONS
                continue
            point, logits = point + step * direction, logits + step * change

    def _better(self, start: np.ndarray, fallback: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, int]:
        candidates = [start] if start is fallback else [start, fallback]
        best: tuple[float, np.ndarray, np.ndarray] | None = None
        for point in candidates:
            logits = self.z @ point
            value = self.loss(logits)[0] + strength / 2 * float((point[:-1] ** 2).sum())
            if best is None or value < best[0]:
                best = (value, point, logits)
        assert best is not None
        return best[1], best[2], len(candidates)


def _rotate(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotated features (n, r) and the map (d, r) from rotated to original weights: same logits, same norms.

    With d <= n the eigenvectors of the covariance; with n < d those of the Gram matrix, whose root has the same products.
    Either way the curvature is nearly diagonal. Directions below 1e-14 of the largest variance are rounding and are dropped.
    """
    n, d = centred.shape
    if d <= n:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        return centred @ vectors, vectors
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = values > 1e-14 * max(float(values[-1]), 1e-300)
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, (centred.T @ vectors[:, kept]) / roots


def _secant(points: list[tuple[float, np.ndarray]], strength: float, problem: _Problem) -> np.ndarray | None:
    """A guess at `strength` from the last two solutions, straight in the logarithm of the strength."""
    if len(points) < 2:
        return points[-1][1] if points else problem.start()
    (before, older), (last, newer) = points
    ratio = np.log(strength / last) / np.log(last / before)
    guess: np.ndarray = newer + ratio * (newer - older)
    return guess
