"""How far embeddings that were made in another way are from those of the plain forward pass in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repbench.measure import neighbours

SAMPLE = 256  # items on which a run with reduced precision is compared
K, TEMPERATURE = 20, 0.07  # of the vote: those of the task knn


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Two embeddings of the same items, compared. A cosine of the raw vectors hides much where they all point one way."""

    items: int
    largest_difference: float  # of any number
    least_cosine: float
    mean_cosine: float
    centred_cosine: float  # mean over items, after each side lost its mean embedding
    neighbour_flips: int | None  # items whose nearest other is of another class than before; None: numbers are not finite
    vote_flips: int | None  # items for which the others vote another class, as in the task knn; None: nothing to vote on


def fidelity(exact: np.ndarray, other: np.ndarray, label: np.ndarray) -> Fidelity:
    """Compare `other` with `exact`, float (n, dim) each, of items with classes `label` (n,)."""
    exact, other = exact.astype(np.float64), other.astype(np.float64)
    raw, finite = _cosines(exact, other), bool(np.isfinite(exact).all() and np.isfinite(other).all())
    centred = _cosines(exact - exact.mean(axis=0), other - other.mean(axis=0))
    return Fidelity(
        items=len(exact),
        largest_difference=float(np.abs(exact - other).max()),
        least_cosine=float(raw.min()),
        mean_cosine=float(raw.mean()),
        centred_cosine=float(centred.mean()),
        neighbour_flips=int((label[_nearest(exact)] != label[_nearest(other)]).sum()) if finite else None,
        vote_flips=_vote_flips(exact, other, label) if finite else None,
    )


def _vote_flips(exact: np.ndarray, other: np.ndarray, label: np.ndarray) -> int | None:
    """None where there is one class only."""
    classes, numbers = np.unique(label, return_inverse=True)
    if len(classes) < 2:
        return None
    return int((vote_of_others(exact, numbers) != vote_of_others(other, numbers)).sum())


def vote_of_others(x: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The class int (n,) that the K nearest of the other rows of x (n, dim) vote for, n > 1, weighted as in the task knn."""
    similarities, rows = neighbours.search(x, x, K + 1)
    itself = rows == np.arange(len(x))[:, None]
    itself[~itself.any(axis=1), -1] = True  # where so many rows are equal that it is not among them
    scores = neighbours.vote(np.where(itself, -np.inf, similarities), label[rows], int(label.max()) + 1, TEMPERATURE)
    votes: np.ndarray = scores.argmax(axis=1)
    return votes


def spread(count: int, most: int) -> list[int]:
    """At most `most` places of `count`, evenly spread, so that no class at the end is left out."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist() if count else []


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Row by row; 1 where both are zero, 0 where one is."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    same = (first == second).all(axis=1)
    cosines = (first * second).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    result: np.ndarray = np.where(same, 1.0, cosines)
    return result


def _nearest(x: np.ndarray) -> np.ndarray:
    """For each row the place of the other row with the largest cosine."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest: np.ndarray = cosines.argmax(axis=1)
    return nearest
