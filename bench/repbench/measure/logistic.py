"""L2-regularised logistic regression: the whole path of strengths, solved, with a proof that it is.

    F(W, b) = sum_i loss(x_i W + b, y_i) + strength / 2 * ||W||^2

`loss` is the cross-entropy of the softmax (multinomial), or for several labels an example the sum of the classes' binary
cross-entropies (one-vs-rest). Losses are summed and the intercept b is not penalised, so strength = 1 / C of scikit-learn (for
two classes 2 / C: there scikit-learn fits one weight vector, and the softmax used here splits the penalty over two). Linear
evaluation in SimCLR (Chen et al. 2020, B.8.1) and BYOL (D.2): 45 strengths, logarithmically spaced from 1e-6 to 1e5.

How: features are centred (the intercept absorbs it) and taken in coordinates in which the curvature is known for every
strength (solver/coordinates.py). L-BFGS, preconditioned by it, goes down the path from strong to weak. The logits are kept:
an iteration costs two products of the data, its line search none, and neither does the start at each strength, a polynomial
through the last solutions; the pairs of curvature carry over (solver/descent.py). Where that is slow (weak strengths, classes
that overlap) and there is room, the Hessian takes over, whole or class by class (solver/hessian.py). The refit on more rows
starts from the path, or where that would be far off, goes down from the strong end in a few steps. Small problems run in
float64 on the CPU, large ones with float32 products and float64 sums (unless the asked gap is finer than float32 can prove), on
the CPU or, where that is the `device` that is given, on CUDA; what does not fit there goes on on the CPU.

Proof: F is strongly convex in W with modulus `strength`, hence, with b at its optimum, F - min F is at most
||grad_W||^2 / (2 strength). This bound, relative to F, is the `relative_gap` of each solution. It is the duality gap at the
probabilities p of the kept logits, so it holds with whatever rounding made these logits, while grad_W = x'(p - y) + strength W
is right. With float32 products that is up to their rounding: recomputed in float64 from the weights the gap is the same within
a hundredth (tests) where they are small; where weights are in the hundreds (raw pixels, hardly any penalty) the probabilities
that are computed from them anew have another gradient, and it takes other dual variables to prove as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, overload

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.solver.machine import threads, with_room

if TYPE_CHECKING:
    from torch import Tensor

    from repbench.measure.solver.coordinates import Coordinates
    from repbench.measure.solver.descent import Descent, Rule, Stop
    from repbench.measure.solver.losses import Loss

STRENGTHS: tuple[float, ...] = tuple(float(value) for value in np.logspace(-6, 5, 45))
FINE = 1e-6  # a gap below this is proven in float64 only
SMALL = 10**7  # n x d x classes below which float64 on one thread of the CPU is used
SLOPE = 1e-4  # scikit-learn's default `tol`: of the largest entry of the gradient of the mean loss
CERTIFIED, SKLEARN = STOP_RULES = ("certified", "sklearn")
FINER = 100.0  # times smaller is the gap of a refit
STRIDE, LOOSE = 3, 0.01  # on the way to one strength: every so many of STRENGTHS, solved to this gap
SURE = 10.0  # times what the path lets expect: a refit whose start is worse than that does not start from the path


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The fit at one strength, and how well it is solved."""

    strength: float
    objective: float
    gradient_norm: float
    relative_gap: float  # proven: (F - min F) / F is at most this
    evaluations: int  # products of the data with a residual, spent on this strength
    converged: bool
    _stop: Stop
    _coordinates: Coordinates

    @cached_property
    def weights(self) -> np.ndarray:
        """Weights float64 (d, classes) for features as they were given."""
        weights: np.ndarray = self._coordinates.back(self._stop.point[:, :-1]).T.double().cpu().numpy()
        return weights

    @cached_property
    def intercept(self) -> np.ndarray:
        """Intercepts float64 (classes,); of those of a softmax, free up to a shift, the ones that sum to zero."""
        intercept: np.ndarray = self._stop.point[:, -1].double().cpu().numpy() - self._coordinates.mean.numpy() @ self.weights
        return intercept

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, classes), float64, of features (n, d)."""
        scores: np.ndarray = np.asarray(x, dtype=np.float64) @ self.weights + self.intercept
        return scores


@dataclass(frozen=True, kw_only=True)
class Path(Sequence[Solution]):
    """One solution per strength, in the order in which they were asked for."""

    _solutions: tuple[Solution, ...]
    _problem: _Problem

    def __len__(self) -> int:
        return len(self._solutions)

    @overload
    def __getitem__(self, place: int) -> Solution: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Solution]: ...
    def __getitem__(self, place: int | slice) -> Solution | Sequence[Solution]:
        return self._solutions[place]

    def scores(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Logits (n, classes) of features (n, d), strength by strength, in the precision of the fit."""
        import torch

        told = 0
        try:
            for logits in self._scores(x):
                yield logits
                told += 1
        except torch.OutOfMemoryError:
            yield from islice(self._on_cpu()._scores(x), told, None)

    def _scores(self, x: np.ndarray) -> Iterator[np.ndarray]:
        with self._problem.threads():
            z = self._problem.coordinates.place(x)
        for solution in self._solutions:
            point = solution._stop.point
            with self._problem.threads():  # not around the yield: the caller's own work keeps its threads
                logits = z @ point[:, :-1].T + point[:, -1]
            yield logits.cpu().numpy()

    def refit(self, x: np.ndarray, y: np.ndarray, strength: float) -> Solution:
        """The solution at one strength for the features of this path and these (n, d) together.

        It starts from this path where it weighs the penalty against the loss in the same proportion. Where the new rows are
        badly served there (weak strengths, far from zero), it goes down from the strong end, coarsely; `evaluations` count
        all. Its gap is a hundredth of the path's, so hardly a prediction depends on where it started. Raises as `fit_path`.
        """
        return with_room(lambda: self._refit(x, y, strength), lambda: self._on_cpu()._refit(x, y, strength))

    def _refit(self, x: np.ndarray, y: np.ndarray, strength: float) -> Solution:
        return self._problem.with_more(x, y).refitted(self._solutions, strength, len(self._problem.z))

    def _on_cpu(self) -> Path:
        problem = self._problem.on_cpu()
        moved = (
            replace(one, _stop=replace(one._stop, point=one._stop.point.cpu()), _coordinates=problem.coordinates)
            for one in self._solutions
        )
        return Path(_solutions=tuple(moved), _problem=problem)


def fit_path(
    x: np.ndarray,
    y: np.ndarray,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
    *,
    gap: float = 1e-4,
    stop_rule: str = CERTIFIED,
    device: str = "cpu",
) -> Path:
    """One solution per strength.

    x float (n, d). y int (n,) in [0, classes) for the softmax; or (n, classes) for one-vs-rest: 1 where the class is there, -1
    where it is not, 0 where that is not to be judged. `stop_rule` "sklearn" stops where scikit-learn's default does (largest
    entry of the gradient of the mean loss at most 1e-4) instead of at the proven `gap`, to compare with published tables.
    `device` is where a large problem is solved, "cpu" or "cuda", "cuda:1"; any other means the CPU, as does one whose memory
    does not suffice. Raises ProtocolError for empty or non-finite data or a strength <= 0.
    """
    rule = _rule(gap, stop_rule)
    order = sorted(set(strengths), reverse=True)
    if not order or order[-1] <= 0:
        raise ProtocolError(f"strengths must be above 0; got {list(strengths)}.")

    def path(where: str) -> Path:
        problem = _Problem.of(x, y, classes, rule, where)
        solved = {solution.strength: solution for solution in problem.down(order)}
        return Path(_solutions=tuple(solved[strength] for strength in strengths), _problem=problem)

    return with_room(lambda: path(device), lambda: path("cpu"))


def fit(x: np.ndarray, y: np.ndarray, classes: int, strength: float, *, gap: float = 1e-4, device: str = "cpu") -> Solution:
    """The solution at one strength, reached down the path from the strong end: far from zero that is the sure way.

    Its `evaluations` are those of the whole way. `device` and what is raised as of `fit_path`.
    """
    if not strength > 0:
        raise ProtocolError(f"strengths must be above 0; got {strength}.")
    rule = _rule(gap, CERTIFIED)

    def solved(where: str) -> Solution:
        return _whole(_Problem.of(x, y, classes, rule, where).reach(strength, rule))

    return with_room(lambda: solved(device), lambda: solved("cpu"))


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """Rows in coordinates, their labels, and when a fit may stop."""

    coordinates: Coordinates
    z: Tensor  # (n, r)
    y: np.ndarray
    classes: int
    rule: Rule

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, classes: int, rule: Rule, device: str) -> _Problem:
        import torch

        from repbench.measure.solver.coordinates import Coordinates

        x, y = _checked(x, y)
        small = x.size * classes < SMALL
        dtype = torch.float64 if small or rule.gap < FINE else torch.float32
        with threads(small):
            coordinates = Coordinates(x, dtype, device if device.startswith("cuda") and not small else "cpu")
        return cls(coordinates=coordinates, z=coordinates.z, y=y, classes=classes, rule=rule)

    def with_more(self, x: np.ndarray, y: np.ndarray) -> _Problem:
        """These rows and more."""
        import torch

        x, y = _checked(x, y)
        with self.threads():
            wider = self.coordinates.wider(self.z, x)
            z = torch.cat([self.z, self.coordinates.place(x)]) if wider is self.coordinates else wider.z
            return replace(self, coordinates=wider, z=z, y=np.concatenate([self.y, y]))

    def on_cpu(self) -> _Problem:
        """The same, in the memory of the machine."""
        coordinates = self.coordinates.on_cpu()
        return replace(self, coordinates=coordinates, z=coordinates.z)

    def threads(self) -> AbstractContextManager[None]:
        """One thread where the products are too small to share."""
        return threads(self.z.numel() * self.classes < SMALL)

    def down(self, strengths: Sequence[float]) -> list[Solution]:
        """The solutions at falling strengths."""
        with self.threads():
            descent = self._descent()
            return [self._solution(descent.to(strength, self.rule)) for strength in strengths]

    def refitted(self, solved: Sequence[Solution], strength: float, rows: int) -> Solution:
        """The solution at one strength, from those of fewer `rows`."""
        import torch

        from repbench.measure.solver.descent import between

        near = min(solved, key=lambda one: abs(np.log(one.strength * len(self.z) / (strength * rows))))
        fine = replace(self.rule, gap=self.rule.gap / FINER)
        way: list[Solution] = []
        with self.threads():
            descent = self._descent()
            start = between([one._stop for one in solved], strength * rows / len(self.z))
            weights = self.coordinates.from_narrower(start[:, :-1], near._coordinates)
            descent.start_from(torch.cat([weights, start[:, -1:]], dim=1))
            if descent.objective(strength) <= SURE * near.objective * len(self.z) / rows:
                way.append(self._solution(descent.to(strength, fine)))
        if not way or not way[-1].converged:
            way += self.reach(strength, fine)
        return _whole(way)

    def reach(self, strength: float, rule: Rule) -> list[Solution]:
        """The solution at one strength, last, after those on a coarse way down from the strong end."""
        loose = replace(self.rule, gap=max(LOOSE, rule.gap))
        with self.threads():
            descent = self._descent()
            way = [self._solution(descent.to(other, loose)) for other in _way(strength)]
            way.append(self._solution(descent.to(strength, rule)))
            if not way[-1].converged and rule.gap < self.rule.gap:  # what is promised is the gap of the path
                way.append(self._solution(descent.prove(strength, self.rule)))
            return way

    def _descent(self) -> Descent:
        from repbench.measure.solver.descent import Descent

        return Descent(self.coordinates, self.z, self._loss())

    def _loss(self) -> Loss:
        import torch

        from repbench.measure.solver.losses import OneVsRest, Softmax

        y = torch.from_numpy(self.y).to(self.z.device)
        return Softmax(y.long(), self.classes) if y.ndim == 1 else OneVsRest(y.T.to(self.z.dtype).contiguous())

    def _solution(self, stop: Stop) -> Solution:
        return Solution(
            strength=stop.strength,
            objective=stop.objective,
            gradient_norm=stop.gradient_norm,
            relative_gap=stop.relative_gap,
            evaluations=stop.evaluations,
            converged=stop.converged,
            _stop=stop,
            _coordinates=self.coordinates,
        )


def _checked(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or not len(x) or len(x) != len(y):
        raise ProtocolError(f"logistic regression needs features (n, d) and n labels; got {x.shape} and {y.shape}.")
    if not all(np.isfinite(x[first : first + 8192]).all() for first in range(0, len(x), 8192)):
        raise ProtocolError("logistic regression needs finite features; some are NaN or infinite.")
    return x, y


def _rule(gap: float, stop_rule: str) -> Rule:
    from repbench.measure.solver.descent import Rule

    if stop_rule not in STOP_RULES:
        raise ProtocolError(f"stop_rule is {stop_rule!r}; expected one of {', '.join(STOP_RULES)}.")
    return Rule(gap=gap, slope=None if stop_rule == CERTIFIED else SLOPE)


def _way(strength: float) -> list[float]:
    above = [other for other in STRENGTHS if other > 1.001 * strength]
    return above[STRIDE - 1 :: STRIDE][::-1]


def _whole(way: Sequence[Solution]) -> Solution:
    return replace(way[-1], evaluations=sum(solution.evaluations for solution in way))
