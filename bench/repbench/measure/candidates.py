"""Candidates for nearest neighbours by float32 products, re-scored in float64, with a margin that proves that none is missed.

A float32 dot product of unit vectors of d components differs from the exact one by at most about d u, u = 2^-24, in whatever
order it is summed (Higham 2002, 3.1); making them unit vectors in float32 adds about d u / 2 for each. So every row whose exact
similarity is among the k best lies, by its float32 similarity, at most twice that below the k-th best. Rows are looked at in
groups: the m largest similarities lie in the m groups with the largest maxima, and only those are opened.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from repbench.measure.geometry import unit_rows
from repbench.measure.threads import share_out

GROUP = 64  # rows of the bank in a group
SLACK = 12  # groups, and candidates, more than k that are looked at
ROWS = 4096  # of the bank that are made unit vectors at a time
BANK = 2**26  # numbers of the bank that are held at a time: 256 MB, however long a memory map it is read from
NUMBERS = 2**24  # similarities held at a time, of all threads: 64 MB
RESCORED = 2**19  # numbers of candidates that a thread holds at a time: 4 MB, which caches hold
NOWHERE = 2**62  # below every similarity


def search_by_candidates(
    queries: np.ndarray, bank: np.ndarray, k: int, resolution: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each query whether its neighbours are proven, bool (q,); similarities, rounded, float64 (q, k); rows int64 (q, k).

    Equal similarities are ordered by row number. What is said of a query that is not proven means nothing. The bank is read
    once, a block at a time, and then once more at the candidates' rows.
    """
    n, d = bank.shape
    wide = k + SLACK
    best = np.full((len(queries), wide), -3.0, dtype=np.float32)
    candidates = np.zeros((len(queries), wide), dtype=np.int64)
    most = max(GROUP * wide, min(BANK // d, NUMBERS // 16) // GROUP * GROUP)
    for first in range(0, n, most):
        unit = _padded(bank[first : first + most])

        def look(rows: slice, unit: np.ndarray = unit, first: int = first) -> None:
            product = unit_rows(queries[rows]).astype(np.float32) @ unit.T
            product[:, n - first :] = -2.0  # what fills up the last group is nobody's neighbour
            near, places = _nearest(product, wide)
            both = np.concatenate([best[rows], near], axis=1)
            chosen = np.argsort(-both, axis=1)[:, :wide]
            best[rows] = np.take_along_axis(both, chosen, axis=1)
            candidates[rows] = np.take_along_axis(np.concatenate([candidates[rows], places + first], axis=1), chosen, axis=1)

        list(share_out(look, _parts(len(queries), NUMBERS // len(unit))))
        del unit, look  # before the next block is made
    margin = 2 * (2 * d + 16) * 2.0**-24 + resolution
    proven: np.ndarray = best[:, -1] < best[:, k - 1] - margin  # then so is every row that is no candidate
    return proven, *rescored(queries, bank, candidates, k, resolution)


def rescored(
    queries: np.ndarray, bank: np.ndarray, candidates: np.ndarray, k: int, resolution: float
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each query's candidates by their cosine in float64, rounded: float64 and int64 (q, k), ties by row number.

    candidates int64 (q, m), m >= k, rows of the bank; -1 where there is none, which comes last.
    """
    similarities = np.empty((len(queries), k))
    places = np.empty((len(queries), k), dtype=np.int64)

    def score(rows: slice) -> None:
        some = candidates[rows]
        near = bank[some].astype(np.float64)
        length = np.maximum(np.sqrt(np.einsum("qmd,qmd->qm", near, near)), 1e-300)
        cosine = np.matmul(near, unit_rows(queries[rows])[:, :, None])[:, :, 0] / length
        keys = np.rint(cosine / resolution).astype(np.int64)
        keys[some < 0] = -NOWHERE
        order = np.lexsort((some, -keys), axis=1)[:, :k]
        similarities[rows] = np.take_along_axis(keys, order, axis=1) * resolution
        places[rows] = np.take_along_axis(some, order, axis=1)

    list(share_out(score, _parts(len(queries), torch.get_num_threads() * RESCORED // (candidates.shape[1] * bank.shape[1]))))
    return similarities, places


def unit_float32(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) at length one, float32; rows of zeros stay zeros."""
    rows = x.astype(np.result_type(x.dtype, np.float32))
    rows /= np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(rows.dtype).tiny)
    rows = rows.astype(np.float32, copy=False)
    rows /= np.maximum(np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None], 1e-30)
    return rows


def _parts(count: int, held: int) -> Iterator[slice]:
    """All of `count` queries in parts, of which the threads hold `held` together."""
    step = max(16, held // torch.get_num_threads())
    return (slice(start, start + step) for start in range(0, count, step))


def _padded(block: np.ndarray) -> np.ndarray:
    """A block of the bank at length one, float32, with rows of zeros up to a whole number of groups."""
    unit = np.zeros((-(-len(block) // GROUP) * GROUP, block.shape[1]), dtype=np.float32)
    for first in range(0, len(block), ROWS):
        unit[first : first + ROWS][: len(block) - first] = unit_float32(block[first : first + ROWS])
    return unit


def _nearest(product: np.ndarray, wide: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest similarities of each query in a block, (q, wide) or as many as there are, and their rows in it."""
    grouped = product.reshape(len(product), -1, GROUP)
    opened = _largest(grouped.max(axis=2), wide)
    inside = np.take_along_axis(grouped, opened[:, :, None], axis=1).reshape(len(product), -1)
    place = _largest(inside, wide)
    rows = np.take_along_axis(opened, place // GROUP, axis=1) * GROUP + place % GROUP
    return np.take_along_axis(inside, place, axis=1), rows


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the so many largest of each row, in any order; all where there are no more."""
    left = max(0, values.shape[1] - count)
    places: np.ndarray = np.argpartition(values, left, axis=1)[:, left:] if left else np.argsort(values, axis=1)
    return places
