"""The two products of a problem's rows that every evaluation takes, as fast as the machine has them.

The rows never change, so on a CPU they are laid out once in the order in which oneDNN multiplies, and no product has to do so
again. With few classes that is most of the work: 10 classes of 48,000 rows of 512 numbers went from 25 and 39 to 120 and 110
GFLOP/s (logits, gradient) on two cores of an AMD EPYC, 100 classes from 120 and 148 to 200 and 190. The operators are those
that torch's own compiler calls for a linear layer whose weights are fixed; where a build of torch lacks them, or memory would
not hold the rows three times, products are torch's plain ones.
"""

from __future__ import annotations

import torch

SUMMED = 8192  # rows of a gradient that are summed in the products' precision; above, in float64
MOST = 2**27  # numbers of the rows that are laid out anew, twice: 1 GiB in all


class Products:
    """Logits of weights, and the gradient of a residual, of rows z (n, r)."""

    def __init__(self, z: torch.Tensor) -> None:
        self._z = z
        self._laid_out: tuple[torch.Tensor, list[torch.Tensor]] | None = None
        if z.device.type == "cpu" and z.dtype == torch.float32 and z.numel() <= MOST and _can_lay_out():
            parts = [_laid_out(part.T) for part in torch.split(z, SUMMED)]
            self._laid_out = _laid_out(z), parts

    def logits(self, point: torch.Tensor) -> torch.Tensor:
        """Logits (classes, n) of a point (classes, r + 1), the intercepts last."""
        if self._laid_out is None:
            return torch.addmm(point[:, -1:], point[:, :-1], self._z.T)
        return _times(point[:, :-1].contiguous(), self._laid_out[0]).add_(point[:, -1:])

    def gradient(self, residual: torch.Tensor) -> torch.Tensor:
        """The derivative in the weights, float64 (classes, r), of a loss with this residual (classes, n)."""
        total = residual.new_zeros(len(residual), self._z.shape[1], dtype=torch.float64)
        for place, part in enumerate(torch.split(residual, SUMMED, dim=1)):
            if self._laid_out is None:
                total += part @ self._z[place * SUMMED : (place + 1) * SUMMED]
            else:
                total += _times(part, self._laid_out[1][place])
        return total


def times(rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Rows (m, in) times the transpose of a matrix (out, in)."""
    if rows.device.type == "cpu" and rows.dtype == torch.float32 and _can_lay_out():
        return _times(rows, _laid_out(matrix))
    return rows @ matrix.T


def _can_lay_out() -> bool:
    operators = torch.ops.mkldnn
    return bool(torch.backends.mkldnn.is_available()) and all(  # type: ignore[no-untyped-call]
        hasattr(operators, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


def _laid_out(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix (out, in) as oneDNN multiplies it."""
    laid_out: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(matrix)
    return laid_out


def _times(rows: torch.Tensor, laid_out: torch.Tensor) -> torch.Tensor:
    """rows (m, in) times the transpose of a matrix (out, in) that is laid out."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, laid_out, None, "none", [], "")
    return product
