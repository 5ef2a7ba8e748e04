"""The strengths of penalty that a probe tries, and the fit at one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from repbench.measure.solver.coordinates import Coordinates
    from repbench.measure.solver.stop import Stop

STRENGTHS: tuple[float, ...] = tuple(float(value) for value in np.logspace(-6, 5, 45))


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The fit at one strength, and how well it is solved."""

    strength: float
    objective: float
    gradient_norm: float  # of the objective in the weights of centred features: the intercept absorbs their mean
    relative_gap: float  # proven: (F - min F) / F is at most this; under scikit-learn's rule intercepts are not settled for it
    evaluations: int  # products of the data with a residual, spent on this strength
    converged: bool
    _stop: Stop
    _coordinates: Coordinates

    @property
    def device(self) -> str:
        """Where it was solved: "cpu" or "cuda"."""
        kind: str = self._stop.point.device.type
        return kind

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
        """Logits (n, classes), float64, of features (n, d). Raises ProtocolError for features of another width."""
        from repbench.measure.checked import checked_rows

        scores: np.ndarray = checked_rows(x, len(self.weights)).astype(np.float64, copy=False) @ self.weights + self.intercept
        return scores


def whole(way: Sequence[Solution]) -> Solution:
    """The last of several, with the evaluations of all."""
    return replace(way[-1], evaluations=sum(solution.evaluations for solution in way))
