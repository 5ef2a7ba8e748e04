"""Down the path of strengths: each solution starts where the last ones point to, and stops when it is proven."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from repbench.measure.solver import hessian
from repbench.measure.solver.coordinates import Coordinates
from repbench.measure.solver.dual import LowerBound
from repbench.measure.solver.lbfgs import History, Solve, dot
from repbench.measure.solver.losses import Judged, Loss
from repbench.measure.solver.products import Products
from repbench.measure.solver.stop import Rule, Slope, Standing, Stop

MOST_EVALUATIONS = 2000  # per strength; what is not proven by then says so. Hard ones: few rows that are just separable
PAIRS = 20  # of curvature that L-BFGS keeps; on features of trained encoders 10 cost a quarter more evaluations
MOST_PAIRS, NUMBERS = 60, 10**6  # where they are small, so many numbers in all: a third fewer evaluations of hard problems
PATIENCE = 20  # evaluations at one strength after which the Hessian is taken
RENEWED = 30  # evaluations after which it is taken anew, as the weights of the rows have moved
NEAR = 30.0  # times the gap: from there on the intercept is settled at each evaluation, as the proof needs it
FAR = 3000.0  # the same where PATIENCE has ended: there the dual is mixed of many points, and each needs it
SAMPLE = 4096  # rows by which starts are compared
FEW = 8  # of so many features one is looked at first, to see that a gradient is not flat yet


class Descent:
    """One problem and the state of its solution, from strength to strength.

    The logits (classes, n) are kept beside the point: a line search costs no product of the data, nor does a start that is a
    combination of solutions.
    """

    def __init__(self, coordinates: Coordinates, z: torch.Tensor, products: Products, loss: Loss) -> None:
        self._coordinates, self._z, self._products, self._loss, self._rule = coordinates, z, products, loss, Rule()
        self._point = z.new_zeros(loss.classes, z.shape[1] + 1)
        self._point[:, -1] = loss.start().to(z)
        self._logits = self._point[:, -1:].repeat(1, len(z))
        self._residual = torch.empty_like(self._logits)
        self._history = History(int(np.clip(NUMBERS // self._point.numel(), PAIRS, MOST_PAIRS)), self._point)
        self._trail: list[tuple[float, torch.Tensor, torch.Tensor]] = []  # the last three: strength, point, logits
        self._coupled: tuple[float, torch.Tensor, torch.Tensor] | None = None  # strength, values, vectors
        self._standing: Standing | None = None  # where the last fit stopped by the slope
        self._exact: Solve | None = None  # division by the Hessian where it was taken last

    def start_from(self, point: torch.Tensor) -> None:
        """Begin at a point (classes, r + 1)."""
        self._point = point.clone()
        self._logits = self._products.logits(point)
        self._trail, self._standing = [], None

    def objective(self, strength: float) -> float:
        """The objective at the point that was reached."""
        return self._objective(self._loss.judge(self._logits, self._residual).loss, self._point, strength)

    def to(self, strength: float, rule: Rule, most: int = MOST_EVALUATIONS) -> Stop:
        """The solution at a strength."""
        self._rule = rule
        stop = self._standing_at(strength)
        if stop is None:
            self._predict(strength)
            stop = self._minimise(strength, most)
        self._trail = [*self._trail[-2:], (strength, stop.point, self._logits.clone())]
        return stop

    def go_on(self, strength: float, rule: Rule, most: int = MOST_EVALUATIONS) -> Stop:
        """The solution at the strength of the point that was reached, by another rule; one evaluation may do."""
        self._rule = rule
        return self._minimise(strength, most)

    def _standing_at(self, strength: float) -> Stop | None:
        """The last stop, where the rule's slope lets it be one at this strength too."""
        if self._standing is None or self._rule.slope is None:
            return None
        return self._standing.at(strength, self._rule.slope * len(self._z))

    def _predict(self, strength: float) -> None:
        """The best start: the last solution, or the line or parabola in log strength through the last two or three."""
        best = np.inf
        rows = slice(None, None, max(1, len(self._z) // SAMPLE))
        for count in range(1, len(self._trail) + 1):
            past = self._trail[-count:]
            shares = lagrange(np.log(strength), [np.log(other) for other, _, _ in past])
            point = _combined(shares, [point for _, point, _ in past])
            sample = _combined(shares, [logits[:, rows] for _, _, logits in past])
            loss = self._loss.value(sample, rows) * len(self._z) / sample.shape[1]
            value = self._objective(loss, point, strength)
            if value < best:
                best, chosen = value, (shares, point, [logits for _, _, logits in past])
        if self._trail:
            shares, self._point, logits = chosen
            self._logits = _combined(shares, logits)

    def _minimise(self, strength: float, most: int) -> Stop:
        evaluations, proven, due, self._standing = 0, LowerBound(strength), PATIENCE, None
        now, settled = self._settle(self._loss.judge(self._logits, self._residual), strength)
        while True:
            objective = self._objective(now.loss, self._point, strength)
            gradient = self._gradient(now, strength)
            evaluations += 1
            norm = float(gradient[:, :-1].double().square().sum().sqrt())
            least = objective - norm**2 / (2 * strength)
            if settled and evaluations > PATIENCE and self._rule.slope is None:
                least = max(least, proven.learn(objective, gradient[:, :-1], self._point[:, :-1]))
            bound = (objective - least) / max(objective, 1e-300)
            self._history.learn(self._point, gradient, strength, now.uncertainty)
            flat = self._flat(gradient)
            done = bound <= self._rule.gap and settled if self._rule.slope is None else flat is not None
            if done or evaluations >= most:
                stop = Stop(
                    point=self._loss.free(self._point).clone(),
                    strength=strength,
                    objective=objective,
                    gradient_norm=norm,
                    relative_gap=bound,
                    evaluations=evaluations,
                    converged=done,
                )
                if flat is not None:
                    self._standing = Standing(coordinates=self._coordinates, stop=stop, gradient=gradient, slope=flat)
                return stop
            if bound > self._rule.gap or self._rule.slope is not None:
                if evaluations == due:
                    self._exact = hessian.solver(self._z, self._loss, now.residual, strength)
                    due += hessian.lasts(self._z, self._loss, RENEWED)
                solve = self._solver(now, strength)
                direction = self._loss.free(self._history.direction(gradient, solve, self._exact is not None))
                found = self._search(direction, strength, dot(gradient, direction))
                if found is not None:
                    now = found
                elif not self._history.forget():  # rounding has eaten the descent, and not by the pairs: give up
                    most = evaluations + 1
            settled = False
            near = NEAR if evaluations < PATIENCE else FAR
            if self._rule.slope is None and (bound <= near * self._rule.gap or evaluations >= most - 1):
                now, settled = self._settle(now, strength)

    def _flat(self, gradient: torch.Tensor) -> Slope | None:
        """The gradient in the features as they were given, where the rule asks for its slope and it is flat enough."""
        if self._rule.slope is None:
            return None
        most, few = self._rule.slope * len(self._z), max(1, len(self._coordinates.mean) // FEW)
        if Slope.of(gradient, self._coordinates, few).steepest > most:  # to turn it whole costs as much as a product
            return None
        slope = Slope.of(gradient, self._coordinates)
        return slope if slope.steepest <= most else None

    def _objective(self, loss: float, point: torch.Tensor, strength: float) -> float:
        return loss + strength / 2 * float(point[:, :-1].double().square().sum())

    def _gradient(self, now: Judged, strength: float) -> torch.Tensor:
        gradient = torch.empty_like(self._point)
        gradient[:, :-1] = self._products.gradient(now.residual).add_(self._point[:, :-1].double(), alpha=strength)
        gradient[:, -1] = now.by_class()
        return gradient

    def _solver(self, now: Judged, strength: float) -> Solve:
        """Division by the approximate Hessian: the one that was taken, else the coordinates'."""
        if self._exact is not None:
            return self._exact
        values, vectors = self._coupling(now, strength)
        weights = self._coordinates.solver(values, strength)
        intercept = values.to(self._z)[:, None]

        def solve(q: torch.Tensor) -> torch.Tensor:
            turned = vectors.T @ q
            return vectors @ torch.cat([weights(turned[..., :-1]), turned[..., -1:] / intercept], dim=-1)

        return solve

    def _coupling(self, now: Judged, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Eigenvalues (classes,) and vectors of the curvature of the classes among each other, as it was at this strength.

        Classes that are taken for each other share their curvature: it is in their difference, and next to none in their sum.
        """
        if self._coupled is None or self._coupled[0] != strength:
            values, vectors = torch.linalg.eigh(self._loss.intercept_hessian(now.residual))
            self._coupled = strength, values.clamp(min=1e-12 * len(self._z)), vectors.to(self._z)
        _, values, vectors = self._coupled
        return values, vectors

    def _settle(self, now: Judged, strength: float) -> tuple[Judged, bool]:
        """Move the intercept to its optimum for these weights (Newton; costs no product of the data).

        The second is whether it is there: whether the Newton decrement is below a millionth of the gap that is to be proven.
        """
        if self._rule.slope is not None and self._steepest_intercept(now) <= self._rule.slope / 10:
            return now, True
        hessian, before, renewed = self._loss.intercept_hessian(now.residual), np.inf, 0
        penalty = self._objective(0.0, self._point, strength)
        for _ in range(20):
            slope = now.by_class()
            step = -torch.linalg.solve(hessian, slope)
            decrement = -float(slope @ step)
            if decrement <= 1e-6 * self._rule.gap * (now.loss + penalty):
                return now, True
            if decrement > 0.25 * before:  # the Hessian has aged; or, if that was not it, rounding is reached
                if renewed == 2:
                    break
                hessian, before, renewed = self._loss.intercept_hessian(now.residual), np.inf, renewed + 1
                continue
            before = decrement
            step *= min(1.0, 2.0 / max(float(step.abs().max()), 1e-300))  # a class without examples would run away
            moved = step.to(self._point)
            self._point[:, -1] += moved
            self._logits += moved[:, None]
            now = self._loss.judge(self._logits, self._residual)
        return now, False

    def _steepest_intercept(self, now: Judged) -> float:
        """The largest entry of the mean loss's gradient in the intercepts."""
        return float(now.by_class().abs().max()) / len(self._z)

    def _search(self, direction: torch.Tensor, strength: float, at_zero: float) -> Judged | None:
        """Move to a step along the direction that satisfies the strong Wolfe conditions (1e-4, 0.5); None if there is none.

        `at_zero` is the slope of F at the start. The logits move along a line, so a trial costs no product of the data. F is
        convex along it: bracket the zero of the slope by safeguarded secants.
        """
        if not at_zero < 0:
            return None
        change = self._products.logits(direction)
        tilt = strength * dot(self._point[:, :-1], direction[:, :-1])
        bend = strength * dot(direction[:, :-1], direction[:, :-1])
        low, low_slope, high, high_slope, step, at = 0.0, at_zero, np.inf, np.inf, 1.0, 0.0
        for _ in range(40):
            now = self._loss.move(self._logits, change, step - at, self._residual)
            at, slope = step, now.slope + tilt + step * bend
            if abs(slope) <= 0.5 * abs(at_zero):  # by convexity this also gives sufficient decrease
                self._point = self._point.add(direction, alpha=step)
                return now
            if slope < 0:
                low, low_slope = step, slope
            else:
                high, high_slope = step, slope
            if np.isinf(high):
                step *= 2.0 if low_slope >= at_zero * 0.9 else 1.5
                continue
            step = low - low_slope * (high - low) / (high_slope - low_slope)
            step = float(np.clip(step, low + 0.05 * (high - low), high - 0.05 * (high - low)))
        self._point = self._point.add(direction, alpha=low)
        now = self._loss.move(self._logits, change, low - at, self._residual)
        return now if low > 0 else None


def between(stops: Sequence[Stop], strength: float) -> torch.Tensor:
    """The point (classes, r + 1) on the parabola in log strength through the three stops nearest to a strength."""
    near = sorted(stops, key=lambda stop: abs(np.log(stop.strength / strength)))[:3]
    return _combined(lagrange(np.log(strength), [np.log(stop.strength) for stop in near]), [stop.point for stop in near])


def lagrange(x: float, at: Sequence[float]) -> list[float]:
    """Shares of the values at `at` in the polynomial through them, at x."""
    return [float(np.prod([(x - other) / (one - other) for other in at if other != one])) for one in at]


def _combined(shares: Sequence[float], arrays: Sequence[torch.Tensor]) -> torch.Tensor:
    total = arrays[0] * shares[0]
    for share, array in zip(shares[1:], arrays[1:], strict=True):
        total.add_(array, alpha=share)
    return total
