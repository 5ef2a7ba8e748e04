"""L2-regularised logistic regression: the whole path of strengths, solved, with a proof that it is.

    F(W, b) = sum_i loss(x_i W + b, y_i) + strength / 2 * ||W||^2

`loss` is the cross-entropy of the softmax (multinomial), or for several labels an example the sum of the classes' binary
cross-entropies (one-vs-rest). Losses are summed and the intercept b is not penalised, so strength = 1 / C of scikit-learn (for
two classes 2 / C: there scikit-learn fits one weight vector, and the softmax used here splits the penalty over two). Linear
evaluation in SimCLR (Chen et al. 2020, B.8.1) and BYOL (D.2): 45 strengths, logarithmically spaced from 1e-6 to 1e5.

How: features are centred (the intercept absorbs it) and taken in coordinates in which the curvature is known for every
strength (solver/coordinates.py). L-BFGS, preconditioned by it, goes down the path from strong to weak. The logits are kept:
an iteration costs two products of the data, its line search none, and neither does the start at each strength, a polynomial
through the last solutions; the pairs of curvature carry over (solver/descent.py). Rows never change, so large
ones are laid out for the products of a CPU once (solver/products.py). Where L-BFGS is slow (weak strengths, classes that
overlap) and there is room, the Hessian takes over, whole or class by class (solver/hessian.py). The refit on more rows starts
from the path, or where that would be far off, goes down from the strong end in a few steps. Strengths between which a choice is
made are gone on with (`Path.settled`), so that none depends on the way on which it was reached. Small problems run in
float64 on the CPU, large ones with float32 products and float64 sums (unless the asked gap is finer than float32 can prove), on
the CPU or, where that is the `device` that is given, on CUDA; what does not fit there goes on on the CPU. Where float32 leaves
one unproven, as where features differ a hundredfold in scale, all is solved in float64, if there is room for it.

Proof: F is strongly convex in W with modulus `strength`, hence, with b at its optimum, F - min F is at most
||grad_W||^2 / (2 strength). This bound, relative to F, is the `relative_gap` of each solution. It is the duality gap at the
probabilities p of the kept logits, so it holds with whatever rounding made these logits, while grad_W = x'(p - y) + strength W
is right. Intercepts are at their optimum to a millionth of the gap that is asked for; that is left out of the bound. Where
L-BFGS is slow, mixtures of the probabilities that were met prove more than the last ones (solver/dual.py). With
float32 products that is up to their rounding: recomputed in float64 from the weights the gap is the same within a hundredth
(tests) where weights are small; where there is hardly any penalty to divide by (raw pixels, classes that overlap) the
probabilities that are computed from them anew have another gradient, and it takes other dual variables to prove as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.solver.machine import wants_room, with_room
from repbench.measure.solver.solution import STRENGTHS, Solution, whole

if TYPE_CHECKING:
    from repbench.measure.solver.problem import Problem, Rows
    from repbench.measure.solver.stop import Rule

__all__ = ["CERTIFIED", "SKLEARN", "SLOPE", "STOP_RULES", "STRENGTHS", "Path", "Solution", "fit", "fit_path"]

SLOPE = 1e-4  # scikit-learn's default `tol`: of the largest entry of the gradient of the mean loss
CERTIFIED, SKLEARN = STOP_RULES = ("certified", "sklearn")


@dataclass(frozen=True, kw_only=True)
class Path(Sequence[Solution]):
    """One solution per strength, in the order in which they were asked for."""

    _solutions: tuple[Solution, ...]
    _problem: Problem
    _given: Rows

    def __len__(self) -> int:
        return len(self._solutions)

    @overload
    def __getitem__(self, place: int) -> Solution: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Solution]: ...
    def __getitem__(self, place: int | slice) -> Solution | Sequence[Solution]:
        return self._solutions[place]

    def scores(self, x: np.ndarray, places: Sequence[int] | None = None) -> Iterator[np.ndarray]:
        """Logits (n, classes) of features (n, d), strength by strength (or at some places), in the precision of the fit.

        Strengths that one stop stands for are given one array, to be read alone.
        """
        told, places = 0, range(len(self)) if places is None else places
        try:
            for logits in self._scores(x, places):
                yield logits
                told += 1
        except RuntimeError as error:
            if not wants_room(error):
                raise
            yield from self._on_cpu()._scores(x, places[told:])

    def _scores(self, x: np.ndarray, places: Sequence[int]) -> Iterator[np.ndarray]:
        from repbench.measure.checked import checked_rows
        from repbench.measure.fixed_matrix import FixedMatrix

        x = checked_rows(x, len(self._problem.coordinates.mean))
        with self._problem.threads():
            z = self._problem.coordinates.place(x)
        before = None
        for place in places:
            point = self._solutions[place]._stop.point
            if point is not before:  # one stop may be that of several strengths
                with self._problem.threads():  # not around the yield: the caller's own work keeps its threads
                    logits = (FixedMatrix(point[:, :-1]).times(z) + point[:, -1]).cpu().numpy()
            before = point
            yield logits

    def settled(self, places: Sequence[int]) -> Path:
        """This path with the solutions at some places gone on with, until a hundredth of its gap is proven,
        of small problems a millionth.

        So the order of the rows, the other strengths and the number of threads are hardly seen in what these predict. Where
        that is not proven in MOST_FINE evaluations more, the nearest that was reached stays. `evaluations` count all.
        """
        places = [range(len(self))[place] for place in places]  # those counted from the end, too; IndexError for others
        return with_room(lambda: self._settled(places), lambda: self._on_cpu()._settled(places))

    def _settled(self, places: Sequence[int]) -> Path:
        finer = self._problem.settled({place: self._solutions[place] for place in places})
        return replace(self, _solutions=tuple(finer.get(place, one) for place, one in enumerate(self._solutions)))

    def refit(self, x: np.ndarray, y: np.ndarray, strength: float) -> Solution:
        """The solution at one strength for the features of this path and these (n, d) together.

        It starts from this path where it weighs the penalty against the loss in the same proportion. Where the new rows are
        badly served there (weak strengths, far from zero), it goes down from the strong end, coarsely; `evaluations` count
        all. Its gap is a hundredth of the path's, of small problems a millionth, so hardly a prediction depends on where it
        started; where that is not proven in MOST_FINE evaluations, it is the path's. Raises as `fit_path`.
        """
        return with_room(lambda: self._refit(x, y, strength), lambda: self._on_cpu()._refit(x, y, strength))

    def _refit(self, x: np.ndarray, y: np.ndarray, strength: float) -> Solution:
        from repbench.measure.checked import checked_strengths
        from repbench.measure.solver.problem import refitted

        checked_strengths([strength])
        return refitted(self._problem, self._solutions, strength, self._given, (np.asarray(x), np.asarray(y)))

    def _on_cpu(self) -> Path:
        problem = self._problem.on_cpu()
        moved = (
            replace(one, _stop=replace(one._stop, point=one._stop.point.cpu()), _coordinates=problem.coordinates)
            for one in self._solutions
        )
        return replace(self, _solutions=tuple(moved), _problem=problem)


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
    entry of the gradient of the mean loss at most 1e-4) instead of at the proven `gap`, to compare with published tables; a
    stop then stands, at no evaluation, for weaker strengths that it satisfies too, as where scikit-learn starts warm. `device`
    is where a large problem is solved, "cpu" or "cuda", "cuda:1"; any other means the CPU, as does one whose memory does not
    suffice. Raises ProtocolError for empty, non-finite or huge data, labels that are none of two classes or more, and a
    strength that is not above 0 and finite.
    """
    from repbench.measure.checked import checked_strengths

    rule, strengths, given = _rule(gap, stop_rule), checked_strengths(strengths), (np.asarray(x), np.asarray(y))
    order = sorted(set(strengths), reverse=True)

    def path(where: str) -> Path:
        from repbench.measure.solver.problem import solved

        problem, found = solved(*given, classes, rule, where, lambda problem: problem.down(order))
        by_strength = {solution.strength: solution for solution in found}
        return Path(_solutions=tuple(by_strength[strength] for strength in strengths), _problem=problem, _given=given)

    return with_room(lambda: path(device), lambda: path("cpu"))


def fit(x: np.ndarray, y: np.ndarray, classes: int, strength: float, *, gap: float = 1e-4, device: str = "cpu") -> Solution:
    """The solution at one strength, reached down the path from the strong end: far from zero that is the sure way.

    Its `evaluations` are those of the whole way. `device` and what is raised as of `fit_path`.
    """
    from repbench.measure.checked import checked_strengths

    checked_strengths([strength])
    rule = _rule(gap, CERTIFIED)

    def there(where: str) -> Solution:
        from repbench.measure.solver.problem import solved

        return whole(solved(x, y, classes, rule, where, lambda problem: problem.reach(strength, rule))[1])

    return with_room(lambda: there(device), lambda: there("cpu"))


def _rule(gap: float, stop_rule: str) -> Rule:
    from repbench.measure.checked import check_gap
    from repbench.measure.solver.stop import Rule

    if stop_rule not in STOP_RULES:
        raise ProtocolError(f"stop_rule is {stop_rule!r}; expected one of {', '.join(STOP_RULES)}.")
    check_gap(gap)
    return Rule(gap=gap, slope=None if stop_rule == CERTIFIED else SLOPE)
