"""The two products of a problem's rows that every evaluation takes."""

from __future__ import annotations

import torch

from repbench.measure.fixed_matrix import FixedMatrix
from repbench.measure.heap import keep_freed_memory
from repbench.measure.solver.losses import SUMMED

MOST = 10**8  # numbers of the rows that are laid out anew, twice: 800 MB in all


class Products:
    """Logits of weights, and the gradient of a residual, of rows z (n, r)."""

    def __init__(self, z: torch.Tensor) -> None:
        keep_freed_memory()  # what each product is written to
        lay_out = z.numel() <= MOST
        self._z = FixedMatrix(z, lay_out=lay_out)
        self._parts = [FixedMatrix(part.T, lay_out=lay_out) for part in torch.split(z, SUMMED)]

    def logits(self, point: torch.Tensor) -> torch.Tensor:
        """Logits (classes, n) of a point (classes, r + 1), the intercepts last."""
        return self._z.times(point[:, :-1].contiguous()).add_(point[:, -1:])

    def gradient(self, residual: torch.Tensor) -> torch.Tensor:
        """The derivative in the weights, float64 (classes, r), of a loss with this residual (classes, n)."""
        parts = zip(self._parts, torch.split(residual, SUMMED, dim=1), strict=True)
        first, part = next(parts)
        total = first.times(part).double()
        for fixed, part in parts:
            total += fixed.times(part)
        return total
