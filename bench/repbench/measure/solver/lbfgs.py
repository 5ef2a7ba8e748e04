"""L-BFGS (Nocedal & Wright, chapter 7) whose pairs of curvature carry over from strength to strength."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

Solve = Callable[[torch.Tensor], torch.Tensor]


class History:
    """The last pairs (step, change of gradient), each shaped as a point (classes, r + 1), the intercept last.

    A change of gradient has a part of the penalty, moved exactly to another strength, and a part of the data, which shrinks
    with the curvature of the loss: where classes are separable, both fall together with the strength.
    """

    def __init__(self, size: int, point: torch.Tensor) -> None:
        self._steps = point.new_zeros(size, *point.shape)
        self._changes = torch.zeros_like(self._steps)
        self._order: list[int] = []  # slots in use, oldest first
        self._curvature = np.ones(size)  # of the loss where each pair was seen
        self._products = np.zeros((size, size))  # step i . change j
        self._last: tuple[torch.Tensor, torch.Tensor, float] | None = None
        self._strength = 0.0

    def __len__(self) -> int:
        return len(self._order)

    def at_strength(self, strength: float, curvature: float) -> None:
        """Move all pairs and the last gradient to another strength and to the curvature of the loss (any scale) there."""
        if self._order:
            weights, changes = self._steps[..., :-1], self._changes[..., :-1]
            ratio = np.clip(curvature / np.maximum(self._curvature, 1e-300), 0.01, 100.0)
            changes.sub_(weights, alpha=self._strength)
            self._changes.mul_(torch.as_tensor(ratio).to(self._changes)[:, None, None])
            changes.add_(weights, alpha=strength)
            self._curvature[:] = curvature
            self._products = _numpy(self._flat(self._steps) @ self._flat(self._changes).T)
            self._order = [slot for slot in self._order if self._products[slot, slot] > 0]
        if self._last is not None:
            point, gradient, before = self._last
            gradient[:, :-1].add_(point[:, :-1], alpha=strength - self._strength)
            self._last = (point, gradient, before)
        self._strength = strength

    def learn(self, point: torch.Tensor, gradient: torch.Tensor, curvature: float) -> None:
        """Take up the pair from the last point to this one, if its curvature is positive."""
        if self._last is not None:
            step, change = point - self._last[0], gradient - self._last[1]
            along = dot(step, change)
            if along > 1e-8 * np.sqrt(dot(step, step) * dot(change, change)):
                self._keep(step, change, float(np.sqrt(max(curvature, 1e-300) * max(self._last[2], 1e-300))))
        self._last = (point.clone(), gradient.clone(), curvature)

    def forget(self) -> bool:
        """Drop all pairs; False if there were none."""
        had = bool(self._order)
        self._order = []
        return had

    def direction(self, gradient: torch.Tensor, solve: Solve, exact: bool) -> torch.Tensor:
        """The quasi-Newton descent direction; `solve` divides by an approximate Hessian, which is scaled unless `exact`.

        The two-loop recursion with the products of all pairs known: what is left are four products with the pairs.
        """
        if not self._order:
            return -solve(gradient)
        steps, changes, products = self._flat(self._steps), self._flat(self._changes), self._products
        ahead = _numpy(steps @ gradient.reshape(-1))
        first = np.zeros(len(ahead))
        for slot in reversed(self._order):
            first[slot] = -(ahead[slot] + products[slot] @ first) / products[slot, slot]
        q = -gradient - (changes.T @ torch.as_tensor(first).to(changes)).view_as(gradient)
        r = solve(q)
        if not exact:  # scale it to the curvature that was seen last
            newest = self._order[-1]
            change = self._changes[newest]
            r *= products[newest, newest] / dot(change, solve(change))
        back = _numpy(changes @ r.reshape(-1))
        second = np.zeros(len(back))
        for slot in self._order:
            second[slot] = first[slot] - (back[slot] + second @ products[:, slot]) / products[slot, slot]
        r += (steps.T @ torch.as_tensor(second).to(steps)).view_as(gradient)
        return r if dot(r, gradient) < 0 else -solve(gradient)

    def _keep(self, step: torch.Tensor, change: torch.Tensor, curvature: float) -> None:
        slot = next((free for free in range(len(self._steps)) if free not in self._order), None)
        if slot is None:
            slot = self._order.pop(0)
        self._steps[slot], self._changes[slot], self._curvature[slot] = step, change, curvature
        self._products[slot] = _numpy(self._flat(self._changes) @ step.reshape(-1))
        self._products[:, slot] = _numpy(self._flat(self._steps) @ change.reshape(-1))
        self._order.append(slot)

    def _flat(self, pairs: torch.Tensor) -> torch.Tensor:
        return pairs.view(len(pairs), -1)


def dot(a: torch.Tensor, b: torch.Tensor) -> float:
    """Sum of products."""
    return float(torch.dot(a.reshape(-1), b.reshape(-1)))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.double().cpu().numpy()
    return array
