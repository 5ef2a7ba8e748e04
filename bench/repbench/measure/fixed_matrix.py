"""A matrix that many rows are multiplied with, laid out once in the order in which oneDNN multiplies.

Elsewhere each product lays its matrix out anew. Where rows are few that is most of the work: on two cores of an AMD EPYC, 10
rows took a matrix of 48,000 x 512 at 25 GFLOP/s, and take it at 120 so; 37 rows one of 2,944 x 2,048 at 80, and at 170. The
operators are those of torch's own compiler for linear layers whose weights are fixed; where a build of torch lacks them, and in
float64 or on a device, products are torch's plain ones.
"""

from __future__ import annotations

import torch


class FixedMatrix:
    """A matrix (out, in) for products with rows (m, in). `lay_out` False holds no second one, for matrices that are large."""

    def __init__(self, matrix: torch.Tensor, *, lay_out: bool = True) -> None:
        self._matrix = matrix
        self._laid_out: torch.Tensor | None = None
        floats = matrix.device.type == "cpu" and matrix.dtype == torch.float32
        if lay_out and floats and matrix.numel() and can_lay_out():  # oneDNN knows no product over nothing
            self._laid_out = torch.ops.mkldnn._reorder_linear_weight(matrix)

    def times(self, rows: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """rows (..., in) times the transpose of the matrix, and a bias (out,): (..., out)."""
        if self._laid_out is None:
            return torch.nn.functional.linear(rows, self._matrix, bias)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._laid_out, bias, "none", [], "")
        return product


def times_once(rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """rows (m, in) times the transpose of a matrix (out, in) that is not kept; twice as fast where both have few, long rows."""
    if rows.device.type != "cpu" or rows.dtype != torch.float32 or not matrix.numel() or not can_lay_out():
        return rows @ matrix.T
    # a part of a matrix whose columns lie in a row would be multiplied number by number: a thousand times slower
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, matrix.contiguous(), None, "none", [], "")
    return product


def can_lay_out() -> bool:
    """Whether this build of torch has the operators."""
    operators = torch.ops.mkldnn
    return bool(torch.backends.mkldnn.is_available()) and all(  # type: ignore[no-untyped-call]
        hasattr(operators, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )
