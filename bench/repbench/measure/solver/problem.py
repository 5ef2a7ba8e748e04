"""One problem of logistic regression: its rows in coordinates, and the ways to its solutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from repbench.errors import ProtocolError
from repbench.measure.checked import checked
from repbench.measure.solver.coordinates import Coordinates
from repbench.measure.solver.descent import MOST_EVALUATIONS, Descent, between
from repbench.measure.solver.losses import Loss, OneVsRest, Softmax
from repbench.measure.solver.machine import threads
from repbench.measure.solver.products import Products
from repbench.measure.solver.solution import STRENGTHS, Solution, whole
from repbench.measure.solver.stop import Rule, Stop

FINE = 1e-6  # a gap below this is proven in float64 only
SMALL = 10**7  # n x d x classes below which float64 on one thread of the CPU is used
FINER = 100.0  # times smaller is the gap of a refit, and of the solutions among which one chooses
FINEST = (
    1e6  # the same of small problems: at 1e-6 and 1e-8 one small choice in ten hung on the way it was reached, at 1e-10 none
)
MOST_FINE = 300  # evaluations for that: what is promised is the gap of the path
HASTY = 500  # evaluations a strength in float32 where float64 can take over; features of one scale need a hundred at most
ROOM = 10**8  # numbers of features that float64 can take over: 800 MB, and as much again in its products
STRIDE, LOOSE = 3, 0.01  # on the way to one strength: every so many of STRENGTHS, solved to this gap
SURE = 10.0  # times what the path lets expect: a refit whose start is worse than that does not start from the path

Rows = tuple[np.ndarray, np.ndarray]  # features (n, d) and labels, as they were given


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Rows in coordinates, their labels, and when a fit may stop."""

    coordinates: Coordinates
    z: torch.Tensor  # (n, r)
    y: np.ndarray
    classes: int
    rule: Rule

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, classes: int, rule: Rule, device: str, *, double: bool = False) -> Problem:
        """Features (n, d) and labels, as `logistic.fit_path` takes and refuses them. Large ones in float32, unless `double`."""
        x, y = checked(x, y, classes)
        small = x.size * classes < SMALL
        dtype = torch.float64 if small or double or rule.gap < FINE else torch.float32
        with threads(small):
            coordinates = Coordinates(x, dtype, device if device.startswith("cuda") and not small else "cpu")
        return cls(coordinates=coordinates, z=coordinates.z, y=y, classes=classes, rule=rule)

    @property
    def can_be_double(self) -> bool:
        """Whether float64 can take over where float32 proves nothing: features of scales that differ a hundredfold."""
        return self.z.dtype == torch.float32 and self.z.numel() <= ROOM

    def with_more(self, x: np.ndarray, y: np.ndarray) -> Problem:
        """These rows and more."""
        x, y = checked(x, y, self.classes, len(self.coordinates.mean))
        if y.ndim != self.y.ndim:
            raise ProtocolError(f"this probe was fitted to labels of {self.y.ndim} dimensions; got {y.shape}.")
        vars(self).pop("_products", None)  # they are made anew if they are asked for again: until then there is room
        with self.threads():
            wider = self.coordinates.wider(self.z, x)
            z = torch.cat([self.z, self.coordinates.place(x)]) if wider is self.coordinates else wider.z
            return replace(self, coordinates=wider, z=z, y=np.concatenate([self.y, y]))

    def on_cpu(self) -> Problem:
        """The same, in the memory of the machine."""
        coordinates = self.coordinates.on_cpu()
        return replace(self, coordinates=coordinates, z=coordinates.z)

    def threads(self) -> AbstractContextManager[None]:
        """One thread where the products are too small to share."""
        return threads(self.z.numel() * self.classes < SMALL)

    def down(self, strengths: Sequence[float]) -> list[Solution]:
        """The solutions at falling strengths; only up to the first that is not proven, where float64 can take over."""
        solved: list[Solution] = []
        with self.threads():
            descent = self._descent()
            for strength in strengths:
                solved.append(self._solution(descent.to(strength, self.rule, self._most)))
                if self.can_be_double and not solved[-1].converged:
                    break
        return solved

    def settled(self, solved: Mapping[int, Solution]) -> dict[int, Solution]:
        """The same solutions at a finer gap, from the strongest penalty to the weakest."""
        fine, finer = self._finer(), {}
        with self.threads():
            descent = self._descent()
            for place, one in sorted(solved.items(), key=lambda item: -item[1].strength):
                descent.start_from(one._stop.point)
                on = self._solution(descent.to(one.strength, fine, most=MOST_FINE))
                better = on if on.relative_gap < one.relative_gap else one
                finer[place] = replace(
                    better, evaluations=one.evaluations + on.evaluations, converged=one.converged or on.converged
                )
        return finer

    def refitted(self, solved: Sequence[Solution], strength: float, rows: int) -> Solution:
        """The solution at one strength, from those of fewer `rows`."""
        near = min(solved, key=lambda one: abs(np.log(one.strength * len(self.z) / (strength * rows))))
        fine = self._finer()
        way: list[Solution] = []
        with self.threads():
            descent = self._descent()
            start = between([one._stop for one in solved], strength * rows / len(self.z))
            weights = self.coordinates.from_narrower(start[:, :-1], near._coordinates)
            descent.start_from(torch.cat([weights, start[:, -1:]], dim=1))
            if descent.objective(strength) <= SURE * near.objective * len(self.z) / rows:
                way.append(self._solution(descent.to(strength, fine, most=MOST_FINE)))
        if not way or not way[-1].converged:
            way += self.reach(strength, fine)
        return whole(way)

    def reach(self, strength: float, rule: Rule) -> list[Solution]:
        """The solution at one strength, last, after those on a coarse way down from the strong end."""
        loose = replace(self.rule, gap=max(LOOSE, rule.gap))
        with self.threads():
            descent = self._descent()
            way = [self._solution(descent.to(other, loose)) for other in _way(strength)]
            finer = rule.gap < self.rule.gap
            way.append(self._solution(descent.to(strength, rule, most=MOST_FINE if finer else self._most)))
            if finer and not way[-1].converged:
                way.append(self._solution(descent.go_on(strength, self.rule, self._most)))
            return way

    @property
    def _most(self) -> int:
        return HASTY if self.can_be_double else MOST_EVALUATIONS

    def _finer(self) -> Rule:
        finest = self.z.dtype == torch.float64 and self.z.numel() * self.classes < SMALL
        return replace(self.rule, gap=self.rule.gap / (FINEST if finest else FINER))

    @cached_property
    def _products(self) -> Products:
        return Products(self.z)

    def _descent(self) -> Descent:
        return Descent(self.coordinates, self.z, self._products, self._loss())

    def _loss(self) -> Loss:
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


def solved(
    x: np.ndarray, y: np.ndarray, classes: int, rule: Rule, device: str, way: Callable[[Problem], list[Solution]]
) -> tuple[Problem, list[Solution]]:
    """A problem and its solutions on a way, in float64 where float32 leaves one unproven; `evaluations` count both."""
    problem = Problem.of(x, y, classes, rule, device)
    found = way(problem)
    if found[-1].converged or not problem.can_be_double:
        return problem, found
    spent = sum(one.evaluations for one in found)
    del problem, found  # so that the rows in float32 make room
    problem = Problem.of(x, y, classes, rule, device, double=True)
    first, *others = way(problem)
    return problem, [replace(first, evaluations=spent + first.evaluations), *others]


def refitted(problem: Problem, path: Sequence[Solution], strength: float, given: Rows, more: Rows) -> Solution:
    """The solution at one strength for the rows of a solved problem, as they were given, and more."""
    wider = problem.with_more(*more)
    found = wider.refitted(path, strength, len(problem.z))
    if found.converged or not wider.can_be_double:
        return found
    x, y = (np.concatenate(parts) for parts in zip(given, more, strict=True))
    double = Problem.of(x, y, problem.classes, problem.rule, str(problem.z.device), double=True)
    return whole([found, *double.reach(strength, double._finer())])


def _way(strength: float) -> list[float]:
    above = [other for other in STRENGTHS if other > 1.001 * strength]
    return above[STRIDE - 1 :: STRIDE][::-1]
