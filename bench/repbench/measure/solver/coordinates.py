"""What the solver is told in: centred features, coordinates in which the curvature is known, and its approximate inverse."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from repbench.measure.fixed_matrix import FixedMatrix, times_once
from repbench.measure.solver.lbfgs import Solve

FULL = 1024  # dimensions up to which the covariance is decomposed whole
MANY, WIDEST = 4, 4096  # rows a dimension from which it is whole up to WIDEST dimensions too; else its leading subspace is
SUBSPACE = 256  # dimensions of that subspace; with 64, raw pixels take half as many evaluations more
ROWS = 8192  # of features at a time: they may lie in a memory map
COLUMNS, STEPS = 256, 8  # of a covariance at a time: so many, or an eighth; half of each square on the diagonal is done twice


class Coordinates:
    """Centred features in coordinates of r dimensions. Weights there are (classes, r), with the same norms and logits.

    Up to FULL dimensions they are the eigenvectors of the covariance (of the Gram matrix where n < d: its root has the same
    products), so that the curvature is nearly diagonal for every strength, and float32 knows flat directions to their own
    scale. Above, where rows are MANY a dimension, that is still so: classes overlap there, and one decomposition, the work of
    tens of evaluations, spares thousands (raw pixels of CIFAR-10: 399 in place of 2,116, which left half the strengths
    unproven). Elsewhere features stay as they are and the leading eigenvectors with their values tell the curvature; the rest
    is taken as even.
    """

    def __init__(self, x: np.ndarray, dtype: torch.dtype, device: str) -> None:
        self._dtype, self._device = dtype, device
        self.mean = _mean(x, dtype)
        self._basis: torch.Tensor | None = None  # (d, r)
        self._leading: torch.Tensor | None = None  # (d, SUBSPACE)
        n, d = x.shape
        if d > (WIDEST if n >= MANY * d else FULL):
            self.z = self.place(x)
            self._leading, values = _leading(self.z)
            self._turns = _turns(self._leading)
            rest = float(_mean_square(self.z).sum()) - float(values.sum()) / n
            self._rest = max(rest, 0.0) / (d - values.numel())
            self._spread = (values / n).to(dtype)
        elif d <= n:
            self._basis = _eigenvectors(sum(_squares(part) for part in self._centred(x))).to(dtype).contiguous()
            self.z = self.place(x)
            self._spread = _mean_square(self.z).to(dtype)
        else:
            self._span(torch.cat(list(self._centred(x))))

    def _span(self, centred: torch.Tensor) -> None:
        """The coordinates of the space of these rows alone."""
        self.z, self._basis = _root(centred)
        self._spread = _mean_square(self.z).to(self.z.dtype)

    def on_cpu(self) -> Coordinates:
        """The same, in the memory of the machine."""
        moved = copy.copy(self)
        moved._device = "cpu"
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(moved, name, value.cpu())
        if moved._leading is not None:
            moved._turns = _turns(moved._leading)
        return moved

    def wider(self, z: torch.Tensor, x: np.ndarray) -> Coordinates:
        """Coordinates that hold the rows placed in these, z, and more features x (n, d), which may lie outside them."""
        if self._basis is None or self._basis.shape[0] == self._basis.shape[1]:
            return self
        wider = copy.copy(self)
        wider._span(torch.cat([z @ self._basis.T, *self._centred(x)]))
        return wider

    def from_narrower(self, weights: torch.Tensor, narrower: Coordinates) -> torch.Tensor:
        """Weights (classes, r) of the coordinates that these were widened from, in these."""
        if narrower is self or self._basis is None:
            return weights
        return narrower.back(weights) @ self._basis

    def place(self, x: np.ndarray) -> torch.Tensor:
        """Features (n, d) in these coordinates, (n, r)."""
        width = x.shape[1] if self._basis is None else self._basis.shape[1]
        placed = torch.empty(len(x), width, dtype=self._dtype, device=self._device)
        turn = None if self._basis is None else FixedMatrix(self._basis.T)
        first = 0
        for part in self._centred(x):
            placed[first : first + len(part)] = part if turn is None else turn.times(part)
            first += len(part)
        return placed

    def back(self, weights: torch.Tensor, first: int | None = None) -> torch.Tensor:
        """Weights, or a gradient, (classes, r) in the coordinates of the features, (classes, d): of all, or of the first."""
        return weights[:, :first] if self._basis is None else times_once(weights, self._basis[:first])

    def solver(self, curvature: torch.Tensor, strength: float) -> Solve:
        """Division of (classes, r) by spread x curvature of each class, (classes,), plus strength: an approximate Hessian.

        `curvature` is summed over rows, the spread is their mean.
        """
        curvature = curvature.to(self._spread)[:, None]
        inverse = 1.0 / (curvature * self._spread + strength)
        if self._leading is None:
            return lambda q: q * inverse
        into, back = self._turns
        even = 1.0 / (curvature * self._rest + strength)
        return lambda q: back.times(into.times(q) * (inverse - even)).addcmul_(q, even)

    def _centred(self, x: np.ndarray) -> Iterator[torch.Tensor]:
        mean = self.mean.to(self._device, self._dtype)
        for part in _parts(x):
            yield part.to(self._device, self._dtype).sub_(mean)


def _turns(leading: torch.Tensor) -> tuple[FixedMatrix, FixedMatrix]:
    """Into a subspace (d, k), and back."""
    return FixedMatrix(leading.T), FixedMatrix(leading)


def _mean(x: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Mean (d,), float64 of what `dtype` can hold: to be near it is enough, for the intercept absorbs any shift exactly."""
    total = torch.zeros(x.shape[1], dtype=torch.float64)
    for part in _parts(x):
        total += part.to(dtype).sum(dim=0)
    return (total / len(x)).to(dtype).double()


def _squares(part: torch.Tensor) -> torch.Tensor:
    """The products of columns (d, d) of some rows (n, d), on and below the diagonal: the rest, zeros, is the same again."""
    columns = part.T.contiguous()
    d = len(columns)
    products, step = columns.new_zeros(d, d), max(COLUMNS, -(-d // STEPS))
    for first in range(0, d, step):
        products[first:, first : first + step] = FixedMatrix(columns[first : first + step]).times(columns[first:])
    return products


def _mean_square(z: torch.Tensor) -> torch.Tensor:
    """Of each column, float64 (r,); by blocks of rows, so that no second z is made."""
    total = torch.zeros(z.shape[1], dtype=torch.float64, device=z.device)
    for part in torch.split(z, ROWS):
        total += part.square().sum(dim=0, dtype=torch.float64)
    return total / len(z)


def _parts(x: np.ndarray) -> Iterator[torch.Tensor]:
    for first in range(0, len(x), ROWS):
        yield torch.from_numpy(np.array(x[first : first + ROWS]))


def _eigenvectors(covariance: Any) -> torch.Tensor:
    """Of a symmetric matrix, from what is on and below its diagonal."""
    vectors: torch.Tensor = torch.linalg.eigh(covariance.double())[1]
    return vectors


def _root(centred: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, r) with the same products, and the basis (d, r). Directions that are rounding are dropped."""
    if len(centred) >= centred.shape[1]:
        basis = _eigenvectors(centred.T @ centred).to(centred.dtype)
        return centred @ basis, basis
    exact = centred.double()  # squares in float32 would hide features of a ten-thousandth of the largest
    values, vectors = torch.linalg.eigh(exact @ exact.T)
    kept = values > 1e-14 * max(float(values[-1]), 1e-300)
    roots, vectors = values[kept].sqrt(), vectors[:, kept]
    return (vectors * roots).to(centred.dtype), ((exact.T @ vectors) / roots).to(centred.dtype)


def _leading(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Leading eigenvectors (d, k) of Z'Z and their values, by subspace iteration from a fixed random start.

    Halko, Martinsson & Tropp (2011), algorithm 4.4.
    """
    n, d = z.shape
    size = min(SUBSPACE, n, d - 1)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(n, size, generator=generator, dtype=torch.float32).to(z)
    basis = torch.linalg.qr(z.T @ start)[0]
    basis = torch.linalg.qr(z.T @ (z @ basis))[0]
    image = z @ basis
    values, vectors = torch.linalg.eigh((image.T @ image).double())
    return basis @ vectors.to(z.dtype), values.clamp(min=0.0)
