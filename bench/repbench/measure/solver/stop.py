"""When a fit may stop, where it did, and at which other strengths it need not go on from there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from repbench.measure.solver.coordinates import Coordinates


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a fit may stop: at a proven relative gap; or, with `slope`, at that largest entry of the mean loss's gradient."""

    gap: float = 1e-4
    slope: float | None = None


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where a fit stopped. `point` is (classes, r + 1), the intercepts last."""

    point: torch.Tensor
    strength: float
    objective: float
    gradient_norm: float
    relative_gap: float
    evaluations: int
    converged: bool


@dataclass(frozen=True, kw_only=True)
class Slope:
    """The gradient of a summed loss in the weights of the features as they were given, (classes, d), and in the intercepts."""

    weights: torch.Tensor
    intercepts: torch.Tensor

    @classmethod
    def of(cls, gradient: torch.Tensor, coordinates: Coordinates, first: int | None = None) -> Slope:
        """From the gradient (classes, r + 1) in coordinates: features were centred there, and turned. Of all, or the first."""
        shift = gradient[:, -1:] * coordinates.mean[:first].to(gradient)
        return cls(weights=coordinates.back(gradient[:, :-1], first) + shift, intercepts=gradient[:, -1])

    @property
    def steepest(self) -> float:
        """Its largest entry."""
        return max(float(self.weights.abs().max()), float(self.intercepts.abs().max()))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stop by the slope, which may be one at weaker strengths too: there its gradient is known without a product.

    So does a fit of scikit-learn that starts warm: it takes no step where its start is flat enough. Its weights then stay as
    they are however weak the penalty becomes, as they do in published sweeps of that kind.
    """

    coordinates: Coordinates
    stop: Stop
    gradient: torch.Tensor  # (classes, r + 1) in coordinates
    slope: Slope

    def at(self, strength: float, steepest: float) -> Stop | None:
        """The stop at another strength, at no evaluation; None where an entry of the summed gradient is above `steepest`."""
        more = strength - self.stop.strength
        if replace(self.slope, weights=torch.add(self.slope.weights, self._weights, alpha=more)).steepest > steepest:
            return None
        weights = self.stop.point[:, :-1]
        norm = float(torch.add(self.gradient[:, :-1], weights, alpha=more).double().square().sum().sqrt())
        objective = self.stop.objective + more / 2 * float(weights.double().square().sum())
        gap = norm**2 / (2 * strength) / max(objective, 1e-300)
        found = replace(self.stop, strength=strength, objective=objective, gradient_norm=norm, relative_gap=gap)
        return replace(found, evaluations=0, converged=True)

    @cached_property
    def _weights(self) -> torch.Tensor:
        """In the features as they were given."""
        return self.coordinates.back(self.stop.point[:, :-1])
