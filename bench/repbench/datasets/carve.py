"""Choosing examples by class: the validation split where the creators define none, and the first N for a quick look."""

from __future__ import annotations

import numpy as np

from repbench.digests import digest_text


def carve_validation(label: np.ndarray, share: float, seed: int, per_class: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places (train, val), both ascending, of a split stratified by class: `share` of each class, at least one, goes to val.

    With `per_class`, so many of each. A class of one example stays in train. The choice depends on labels, share or number,
    and seed alone (PCG64).
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    held: list[np.ndarray] = []
    for value in np.unique(label):
        places = np.flatnonzero(label == value)
        count = min(per_class or max(1, round(share * len(places))), len(places) - 1)
        held.append(generator.permutation(places)[:count])
    val = np.sort(np.concatenate(held)) if held else np.zeros(0, dtype=np.int64)
    return np.setdiff1d(np.arange(len(label)), val), val


def digest_of(places: np.ndarray) -> str:
    """Digest of places, int (m,): what says that a carved split is the one that was meant."""
    return digest_text(*map(str, places.tolist()))


def first_by_class(label: np.ndarray, limit: int) -> np.ndarray:
    """Ascending places of at most `limit` examples, taken from the classes in turn, so that each is there if it can be.

    `label` is int (n,), or (n, classes) of 1, -1, 0: there an example's turn is the earliest that one of its classes gives it.
    """
    if label.ndim == 2:
        turn = np.where(label > 0, np.cumsum(label > 0, axis=0) - 1, len(label)).min(axis=1)
        return np.sort(np.argsort(turn, kind="stable")[:limit])
    order = np.argsort(label, kind="stable")
    _, starts, counts = np.unique(label[order], return_index=True, return_counts=True)
    turn = np.arange(len(label)) - np.repeat(starts, counts)  # 0 for the first of each class, 1 for the second, ...
    return np.sort(order[np.argsort(turn, kind="stable")][:limit])


def carve_clusters(clusters: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places (rest, held out), both ascending: whole clusters, values of `clusters` (n,), are held out; at least one of each.

    The choice depends on the values, share and seed alone, not on the order of the examples.
    """
    values = np.unique(clusters.astype(str))
    count = min(max(1, round(share * len(values))), len(values) - 1)
    held = np.random.Generator(np.random.PCG64(seed)).permutation(values)[:count]
    chosen = np.isin(clusters.astype(str), held)
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
