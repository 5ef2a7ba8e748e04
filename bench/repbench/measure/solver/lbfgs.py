"""L-BFGS (Nocedal & Wright, chapter 7) whose pairs of curvature carry over from strength to strength."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from repbench.measure.fixed_matrix import times_once

Solve = Callable[[torch.Tensor], torch.Tensor]
ROUNDING = 16  # times the last digit of a point: a step below that is rounding, and its change says nothing of curvature


class History:
    """The last pairs (step, change of gradient), each shaped as a point (classes, r + 1), the intercept last.

    A change of gradient has a part of the penalty, moved exactly to another strength, and a part of the data, which shrinks
    with the curvature of the loss: where classes are separable, both fall together with the strength. Pairs are moved when a
    direction is asked for, not before: many strengths need none.
    """

    def __init__(self, size: int, point: torch.Tensor) -> None:
        self._steps = point.new_zeros(size, *point.shape)
        self._changes = torch.zeros_like(self._steps)
        self._order: list[int] = []  # slots in use, oldest first
        self._strengths, self._curvatures = np.ones(size), np.ones(size)  # to which each pair belongs
        self._last: tuple[torch.Tensor, torch.Tensor, float, float] | None = None

    def learn(self, point: torch.Tensor, gradient: torch.Tensor, strength: float, curvature: float) -> None:
        """Take up the pair from the last point to this one, if its curvature is positive and it is more than rounding.

        `curvature` is that of the loss at the point, on any scale.
        """
        if self._last is not None:
            before, slope, former, curved = self._last
            slope[:, :-1].add_(before[:, :-1], alpha=strength - former)
            step, change = point - before, gradient - slope
            along, length = dot(step, change), dot(step, step)
            moved = length > (ROUNDING * torch.finfo(point.dtype).eps) ** 2 * dot(point, point)
            if moved and along > 1e-8 * np.sqrt(length * dot(change, change)):
                slot = self._free_slot()
                self._steps[slot], self._changes[slot] = step, change
                self._strengths[slot] = strength
                self._curvatures[slot] = np.sqrt(max(curvature, 1e-300) * max(curved, 1e-300))
                self._order.append(slot)
        self._last = (point.clone(), gradient.clone(), strength, curvature)

    def forget(self) -> bool:
        """Drop all pairs; False if there were none."""
        had = bool(self._order)
        self._order = []
        return had

    def direction(self, gradient: torch.Tensor, solve: Solve, exact: bool) -> torch.Tensor:
        """The quasi-Newton descent direction at the point learnt last; `solve` divides by an approximate Hessian, one point
        or, where it is not `exact`, a stack of them.

        That is scaled to the newest pair unless it is `exact`. The two-loop recursion with the products of all pairs known:
        what is left are four products with the pairs.
        """
        products = self._at_last()
        if not self._order:
            return -solve(gradient)
        steps, changes = self._flat(len(products))
        ahead = _numpy(steps @ gradient.reshape(-1))
        first = np.zeros(len(ahead))
        for slot in reversed(self._order):
            first[slot] = -(ahead[slot] + products[slot] @ first) / products[slot, slot]
        q = -gradient - (changes.T @ torch.as_tensor(first).to(changes)).view_as(gradient)
        if exact:
            r = solve(q)
        else:
            newest = self._order[-1]
            change = self._changes[newest]
            r, bent = solve(torch.stack([q, change]))  # at once: one product of two is less than two
            r = r * (products[newest, newest] / dot(change, bent))
        back = _numpy(changes @ r.reshape(-1))
        second = np.zeros(len(back))
        for slot in self._order:
            second[slot] = first[slot] - (back[slot] + second @ products[:, slot]) / products[slot, slot]
        r += (steps.T @ torch.as_tensor(second).to(steps)).view_as(gradient)
        return r if dot(r, gradient) < 0 else -solve(gradient)

    def _at_last(self) -> np.ndarray:
        """Move all pairs to the strength and curvature learnt last; products step i . change j of the slots in use."""
        assert self._last is not None
        strength, curvature = self._last[2:]
        ratio = np.where(
            self._strengths == strength, 1.0, np.clip(curvature / np.maximum(self._curvatures, 1e-300), 0.01, 100.0)
        )
        for slot in self._order:  # one after the other: a pair fits the processor's cache
            if self._strengths[slot] == strength:
                continue
            change, step = self._changes[slot], self._steps[slot]
            change.mul_(ratio[slot])[:, :-1].add_(step[:, :-1], alpha=strength - self._strengths[slot] * ratio[slot])
            self._strengths[slot], self._curvatures[slot] = strength, curvature
        steps, changes = self._flat(max(self._order, default=-1) + 1)
        products = _numpy(times_once(steps, changes))
        self._order = [slot for slot in self._order if products[slot, slot] > 0]
        return products

    def _free_slot(self) -> int:
        free = next((slot for slot in range(len(self._steps)) if slot not in self._order), None)
        return self._order.pop(0) if free is None else free

    def _flat(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Steps and changes of the first so many slots, (count, numbers) each."""
        return self._steps.flatten(1)[:count], self._changes.flatten(1)[:count]


def dot(a: torch.Tensor, b: torch.Tensor) -> float:
    """Sum of products."""
    return float(torch.dot(a.reshape(-1), b.reshape(-1)))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.double().cpu().numpy()
    return array
