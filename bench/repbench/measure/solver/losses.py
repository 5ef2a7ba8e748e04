"""Losses of a linear classifier in its logits: value, residual and curvature, accurate in float32 and in float64.

Logits are class by row of data, (classes, n), so that every operation runs along memory however few the classes; and on many
rows at once, so that starting an operation costs little beside it. Gradients are summed over rows pairwise in their own
precision up to SUMMED rows, and in float64 above, as to convert each number to float64 costs ten times as much as to sum it;
losses are summed in float64.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from repbench.measure.fixed_matrix import times_once

SUMMED = 8192  # rows of a residual that are summed in its precision; above, in float64
BLOCK = 2**22  # numbers of logits at a time: what is held beside them is small
ROWS = 4096  # of data from which the Hessian in the intercepts is taken
CLIPS = {torch.float32: (-40.0, 80.0), torch.float64: (-300.0, 600.0)}  # of logits: what exp and its square can hold
LEAST = {torch.float32: 1e-30, torch.float64: 1e-200}  # of probabilities: what is smaller is slow to multiply


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a loss says of logits: its sum, the residual (its gradient in the logits) and the slope along the change made."""

    loss: float
    residual: torch.Tensor
    slope: float = 0.0

    @property
    def uncertainty(self) -> float:
        """The curvature of the loss that is left: the sum of p (1 - p) over rows and classes."""
        parts = torch.split(self.residual, SUMMED, dim=1)  # that none is held twice
        return sum(float((part.abs() - part.square()).sum(dim=1).double().sum()) for part in parts)

    def by_class(self) -> torch.Tensor:
        """The residual summed over rows, float64 (classes,): the gradient in the intercepts."""
        parts = [part.sum(dim=1).double() for part in torch.split(self.residual, SUMMED, dim=1)]
        return torch.stack(parts).sum(dim=0)


class Loss(abc.ABC):
    """Summed loss of logits (classes, n) against the truth."""

    classes: int
    rows: int

    @abc.abstractmethod
    def start(self) -> torch.Tensor:
        """The best intercepts (classes,), float64, of zero weights."""

    @abc.abstractmethod
    def residual(self, logits: torch.Tensor, rows: slice, out: torch.Tensor) -> torch.Tensor:
        """Write the residual of some rows' logits (classes, rows) to `out`, and return their losses."""

    @abc.abstractmethod
    def intercept_hessian(self, residual: torch.Tensor) -> torch.Tensor:
        """Of the summed loss in the intercepts, float64 (classes, classes); invertible."""

    @abc.abstractmethod
    def free(self, direction: torch.Tensor) -> torch.Tensor:
        """The direction, or point, without its part that changes no prediction."""

    def judge(self, logits: torch.Tensor, out: torch.Tensor) -> Judged:
        """Judge logits; the residual is written to `out`."""
        return self._judge(logits, out, None, 0.0)

    def move(self, logits: torch.Tensor, change: torch.Tensor, step: float, out: torch.Tensor) -> Judged:
        """Add step x change to the logits, in place, and judge them; `slope` is the derivative of the loss along `change`."""
        return self._judge(logits, out, change, step)

    def value(self, logits: torch.Tensor, rows: slice) -> float:
        """The summed loss of some rows alone, from their logits (classes, rows)."""
        return float(self.residual(logits, rows, torch.empty_like(logits)).sum(dtype=torch.float64))

    def _judge(self, logits: torch.Tensor, out: torch.Tensor, change: torch.Tensor | None, step: float) -> Judged:
        totals = torch.zeros(2, dtype=torch.float64, device=logits.device)
        for rows in self._blocks():
            part, moved = out[:, rows], logits[:, rows]
            if change is not None:
                moved.add_(change[:, rows], alpha=step)
            totals[0] += self.residual(moved, rows, part).sum(dtype=torch.float64)
            if change is not None:
                totals[1] += torch.linalg.vecdot(part, change[:, rows], dim=1).double().sum()
        loss, slope = totals.tolist()
        return Judged(loss=loss, residual=out, slope=slope)

    def _blocks(self) -> Iterator[slice]:
        width = max(1, BLOCK // self.classes)
        for first in range(0, self.rows, width):
            yield slice(first, min(first + width, self.rows))

    def _sample(self) -> slice:
        return slice(None, None, max(1, self.rows // ROWS))


class Softmax(Loss):
    """Cross-entropy of the softmax; labels int64 (n,).

    The residual at the true class is minus what the others have, q, and the loss -log(1 - q): exact where p is near 1. Where q
    is, the loss is -log p, and from LEAST on what the logits say of it.
    """

    def __init__(self, y: torch.Tensor, classes: int) -> None:
        self.y, self.classes, self.rows = y, classes, len(y)

    def start(self) -> torch.Tensor:
        """Log frequencies; a class without examples far below."""
        counts = torch.bincount(self.y, minlength=self.classes).double()
        return (counts.clamp(min=1e-3) / self.rows).log()

    def residual(self, logits: torch.Tensor, rows: slice, out: torch.Tensor) -> torch.Tensor:
        """Softmax minus one-hot."""
        truth = self.y[None, rows]
        torch.softmax(logits, 0, out=out)
        out.clamp_(min=LEAST[out.dtype])
        own = out.gather(0, truth)
        others = out.scatter_(0, truth, 0.0).sum(dim=0, keepdim=True).clamp_(max=1.0)  # rounding alone can be above
        out.scatter_(0, truth, -others)
        losses = torch.where(others < 0.5, -torch.log1p(-others.clamp(max=0.5)), -own.log())
        lost = (own <= LEAST[out.dtype])[0].nonzero()[:, 0]
        if len(lost):
            far = logits[:, lost]
            losses[0, lost] = torch.logsumexp(far, 0) - far.gather(0, truth[:, lost])[0]
        return losses

    def intercept_hessian(self, residual: torch.Tensor) -> torch.Tensor:
        """From evenly chosen rows where there are many. A shift common to all classes is given curvature."""
        rows = self._sample()
        p = residual[:, rows]
        p = p.scatter_add(0, self.y[None, rows], torch.ones_like(p[:1]))
        shared = times_once(p, p).double().fill_diagonal_(0.0)  # no entry of it hangs on a difference: float32 will do
        hessian = torch.diag(shared.sum(dim=1)) - shared
        eye = torch.eye(self.classes, dtype=hessian.dtype, device=hessian.device)
        hessian += hessian.trace() * (1e-12 * eye + 1 / self.classes**2)
        return hessian * (self.rows / p.shape[1])

    def probabilities(self, residual: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Of every class (classes, m) in the kept rows (m,), from the residual (classes, n): one more at the true class."""
        p = residual[:, kept]
        return p.scatter_add(0, self.y[None, kept], torch.ones_like(p[:1]))

    def free(self, direction: torch.Tensor) -> torch.Tensor:
        """A shift common to all classes changes no difference."""
        return direction - direction.mean(dim=0, keepdim=True)


class OneVsRest(Loss):
    """Binary cross-entropy of every class by itself; `truth` float (classes, n): 1 it is, -1 it is not, 0 not to be judged."""

    def __init__(self, truth: torch.Tensor) -> None:
        self.truth = truth
        self.classes, self.rows = truth.shape

    def start(self) -> torch.Tensor:
        """Log odds; bounded for a class that has no example or nothing else."""
        yes, no = (self.truth > 0).sum(dim=1).double(), (self.truth < 0).sum(dim=1).double()
        return (yes.clamp(min=1e-3) / no.clamp(min=1e-3)).log()

    def residual(self, logits: torch.Tensor, rows: slice, out: torch.Tensor) -> torch.Tensor:
        """Sigmoid minus truth; the loss is log(1 + exp(-truth x logit))."""
        truth = self.truth[:, rows]
        torch.mul(logits, truth, out=out).neg_().clamp_(*CLIPS[out.dtype])
        losses = torch.nn.functional.softplus(out) * truth.abs()
        out.sigmoid_().mul_(truth).neg_()
        return losses

    def intercept_hessian(self, residual: torch.Tensor) -> torch.Tensor:
        """Diagonal: the classes do not meet."""
        size = residual.double().abs()
        curvature = (size * (1 - size)).sum(dim=1)
        return torch.diag(curvature + 1e-12 * self.rows)

    def free(self, direction: torch.Tensor) -> torch.Tensor:
        """Every direction changes predictions."""
        return direction
