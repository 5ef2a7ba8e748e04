"""Division by the Hessian itself, for strengths at which pairs of curvature are too slow: weak ones, classes that overlap.

Whole where that is small, from as many rows as tell it well enough; else each class's own block, without what classes share.
Rows that are certain by now bend nothing and are left out: their weight is below a ten-thousandth of the largest.
"""

from __future__ import annotations

import numpy as np
import torch

from repbench.measure.fixed_matrix import FixedMatrix
from repbench.measure.solver.lbfgs import Solve
from repbench.measure.solver.losses import Loss, Softmax

MOST_NUMBERS = 4 * 10**7  # in these Hessians: 320 MB
MOST_WORK = 600  # evaluations that the blocks may cost as much as: on raw pixels of 768 numbers they spare thousands
MOST_WHOLE = 4 * 10**7  # numbers of the whole Hessian
ENOUGH = 16  # rows a dimension, and as many as twice its side: the pairs of curvature mend what such a sample tells wrong
MOST_WHOLE_WORK = 1000  # evaluations for that one: it settles what the blocks leave unproven
CERTAIN = 1e-4  # of the largest weight of a row: below, it is left out


def solver(z: torch.Tensor, loss: Loss, residual: torch.Tensor, strength: float) -> Solve | None:
    """Division of (classes, r + 1) by the Hessian at this residual (classes, n); None where it costs too much or is not finite.

    z (n, r) are the features, intercepts come last.
    """
    is_whole, work = _choice(z, loss)
    if is_whole:
        assert isinstance(loss, Softmax)
        return _divide_by_whole(_wide(z), loss, residual, strength)
    return _divide_by_blocks(_wide(z), residual, strength) if work <= MOST_WORK else None


def lasts(z: torch.Tensor, loss: Loss, least: int) -> int:
    """Evaluations for which a Hessian is to serve, at `least` so many: a quarter of what it costs."""
    return max(least, int(min(_choice(z, loss)[1], 1e9) / 4))


def _choice(z: torch.Tensor, loss: Loss) -> tuple[bool, float]:
    """Whether the whole Hessian is to be taken, else the blocks, and the evaluations that it costs as much as."""
    whole, blocks = _work(z, loss)
    is_whole = isinstance(loss, Softmax) and whole <= MOST_WHOLE_WORK
    return is_whole, whole if is_whole else blocks


def _work(z: torch.Tensor, loss: Loss) -> tuple[float, float]:
    """Evaluations that the whole Hessian, factored, and the blocks, inverted, cost as much as; infinite without room."""
    n, width = len(z), z.shape[1] + 1
    whole = (loss.classes - 1) * width
    work = whole / 4 * (min(n, _enough(loss.classes, width)) + whole) / n if whole**2 <= MOST_WHOLE else np.inf
    return work, width / 2 * (1 + width / n) if loss.classes * width**2 <= MOST_NUMBERS else np.inf


def _enough(classes: int, width: int) -> int:
    """Rows from which the whole Hessian is taken. Of many classes few rows tell how two of them curve each other: 16 rows for
    each of 40 dimensions left weak strengths of 35 classes unproven, all 2,555 proved them in a tenth of the evaluations.
    """
    return max(ENOUGH * width, 2 * classes * width)


def _wide(z: torch.Tensor) -> torch.Tensor:
    return torch.cat([z, z.new_ones(len(z), 1)], dim=1)


def _divide_by_blocks(wide: torch.Tensor, residual: torch.Tensor, strength: float) -> Solve | None:
    width = wide.shape[1]
    penalty = _penalty(wide, strength).diag()
    blocks = wide.new_empty(len(residual), width, width)
    for block, row in zip(blocks, residual, strict=True):
        weight = row.abs() * (1 - row.abs())
        kept = (weight > CERTAIN * weight.max()).nonzero()[:, 0]
        rows = wide[kept]
        factor = _factor(((rows.T * weight[kept]) @ rows).double() + penalty)
        if factor is None:
            return None
        block.copy_(torch.cholesky_inverse(factor))
    return lambda q: torch.bmm(q[:, None, :], blocks)[:, 0]  # they are symmetric, and rows are read faster


def _divide_by_whole(wide: torch.Tensor, loss: Softmax, residual: torch.Tensor, strength: float) -> Solve | None:
    classes, width = len(residual), wide.shape[1]
    weight = (residual.abs() * (1 - residual.abs())).sum(dim=0)
    kept = (weight > CERTAIN * weight.max()).nonzero()[:, 0]
    every = max(1, len(kept) // _enough(classes, width))
    share, kept = len(kept) / len(kept[::every]), kept[::every]
    columns, size, p = wide[kept].T.contiguous(), residual[:, kept].abs(), loss.probabilities(residual, kept)
    fixed = FixedMatrix(columns)
    # What is common to all classes changes no prediction and is in no gradient: the last class is held, and what is found is
    # then shifted to sum to zero. A penalty of weights that sum to zero couples the others, by one part in `classes`.
    free = classes - 1
    hessian = wide.new_empty(free, width, free, width)
    penalty = _penalty(wide, strength).to(wide).diag()
    for one in range(free):
        for other in range(one + 1):
            weight = size[one] * (1 - size[one]) if one == other else -p[one] * p[other]
            block = fixed.times(columns * (weight * share)).add_(penalty, alpha=(one == other) - 1 / classes)
            hessian[one, :, other] = block
            hessian[other, :, one] = block
    square = hessian.view(free * width, free * width)
    # A factor in float32 tells flat directions as well as steep ones where the diagonal is one.
    scale = square.diagonal().clamp(min=torch.finfo(square.dtype).tiny).rsqrt()[:, None]
    factor = _factor(square.mul_(scale).mul_(scale.T))
    if factor is None:
        return None

    def divide(q: torch.Tensor) -> torch.Tensor:
        # By the factor: the inverse would take three times as long to make, and divide no faster.
        half = torch.linalg.solve_triangular(factor, scale * q[:-1].reshape(-1, 1), upper=False)
        found = torch.linalg.solve_triangular(factor.T, half, upper=True).mul_(scale).view(free, width)
        shifted: torch.Tensor = loss.free(torch.cat([found, found.new_zeros(1, width)]))
        return shifted

    return divide


def _penalty(wide: torch.Tensor, strength: float) -> torch.Tensor:
    penalty = torch.full((wide.shape[1],), strength, dtype=torch.float64, device=wide.device)
    penalty[-1] = 1e-9 * len(wide)  # the intercept has none; this keeps a class that is nowhere likely invertible
    return penalty


def _factor(hessian: torch.Tensor) -> torch.Tensor | None:
    """Cholesky's; where rounding has made it indefinite, with as much more on its diagonal as it needs; None if not finite."""
    if not torch.isfinite(hessian.sum()):
        return None
    least = float(hessian.diagonal().mean()) * max(1e-9, torch.finfo(hessian.dtype).eps)
    factor: torch.Tensor
    factor, failed = torch.linalg.cholesky_ex(hessian)
    while failed:
        hessian.diagonal().add_(least)
        least *= 10
        factor, failed = torch.linalg.cholesky_ex(hessian)
    return factor
