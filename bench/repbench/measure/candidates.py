"""Candidates for nearest neighbours by float32 products, re-scored in float64, with a margin that proves that none is missed.

A float32 dot product of unit vectors of d components differs from the exact one by at most about d u, u = 2^-24, in whatever
order it is summed (Higham 2002, 3.1); making them unit vectors in float32 adds about d u / 2 for each. So every row whose exact
similarity is among the k best lies, by its float32 similarity, at most twice that below the k-th best. The m best so far
are kept; of a block of the bank, groups of rows whose largest similarity is no better than these are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from repbench.measure.fixed_matrix import FixedMatrix
from repbench.measure.geometry import SHORTEST, unit_rows
from repbench.measure.heap import keep_freed_memory
from repbench.measure.threads import share_out

GROUP = 64  # rows of the bank in a group
SLACK = 12  # candidates more than k that are looked at
QUERIES, COLUMNS = 1024, 4096  # and rows of the bank whose similarities are held at a time: 16 MB, which caches hold
HELD = 2**26  # numbers of queries that are held at a time; for each such part the bank is read
RESCORED = 2**19  # numbers of candidates that a thread holds at a time: 4 MB, which caches hold
NOWHERE = 2**62  # below every similarity
SHORTEST_FLOAT32 = 1e-15  # length of a row whose square float32 holds to its last digit, as SHORTEST is of float64
NOTHING = -3.0  # the similarity of what was not found yet


def search_by_candidates(
    queries: np.ndarray, bank: np.ndarray, k: int, resolution: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each query whether its neighbours are proven, bool (q,); similarities, rounded, float64 (q, k); rows int64 (q, k).

    Equal similarities are ordered by row number. What is said of a query that is not proven means nothing. The bank is read a
    block at a time, and then once more at the candidates' rows.
    """
    keep_freed_memory()  # what each product is written to
    n, d = bank.shape
    found = Found(len(queries), k + SLACK)
    for some in _parts(len(queries), max(QUERIES, HELD // d)):
        asked = torch.cat([torch.from_numpy(unit_float32(queries[some][part])) for part in _parts(len(queries[some]), QUERIES)])
        for first in range(0, n, COLUMNS):
            unit = FixedMatrix(_padded(bank[first : first + COLUMNS]))
            for start in range(0, len(asked), QUERIES):
                product = unit.times(asked[start : start + QUERIES])
                product[:, n - first :] = -2.0  # what fills up the last group is nobody's neighbour
                found.learn(product, some.start + start, first)
    best = np.sort(found.similarities.numpy(), axis=1)[:, ::-1]
    margin = 2 * (2 * d + 16) * 2.0**-24 + resolution
    proven: np.ndarray = best[:, -1] < best[:, k - 1] - margin  # then so is every row that is no candidate
    return proven, *rescored(queries, bank, found.rows.numpy(), k, resolution)


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
        square = np.einsum("qmd,qmd->qm", near, near)
        if not ((square > SHORTEST**2) & (square < 1 / SHORTEST**2)).all():  # zeros, or squares that no float64 holds
            near = unit_rows(near)
            square = np.einsum("qmd,qmd->qm", near, near)
        length = np.maximum(np.sqrt(square), 1e-300)
        cosine = np.matmul(near, unit_rows(queries[rows])[:, :, None])[:, :, 0] / length
        keys = np.rint(cosine / resolution).astype(np.int64)
        keys[some < 0] = -NOWHERE
        order = np.lexsort((some, -keys), axis=1)[:, :k]
        similarities[rows] = np.take_along_axis(keys, order, axis=1) * resolution
        places[rows] = np.take_along_axis(some, order, axis=1)

    list(share_out(score, _parts(len(queries), max(16, RESCORED // (candidates.shape[1] * bank.shape[1])))))
    return similarities, places


def unit_float32(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) at length one, float32; rows of zeros stay zeros."""
    unit = np.empty(x.shape, dtype=np.float32)
    write_unit_rows(x, torch.from_numpy(unit))
    return unit


def write_unit_rows(x: np.ndarray, out: torch.Tensor) -> None:
    """The same, written to `out` float32 (n, d), by all threads of torch."""
    rows = torch.from_numpy(np.array(x, dtype=np.result_type(x.dtype, np.float32)))
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    whole = (lengths > SHORTEST_FLOAT32) & (lengths < 1 / SHORTEST_FLOAT32)
    odd = ~whole[:, 0]  # zero, or its square is beyond what a float32 can hold
    if bool(odd.any()):
        rows[odd] /= rows[odd].abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)
        lengths[odd] = torch.linalg.vector_norm(rows[odd], dim=1, keepdim=True).clamp(min=1e-30)
    torch.div(rows, lengths, out=out)


class Found:
    """The rows of the bank most similar to queries: similarities float32 (q, m) and row numbers int64 (q, m), in no order."""

    def __init__(self, queries: int, m: int) -> None:
        self.similarities = torch.full((queries, m), NOTHING)
        self.rows = torch.zeros(queries, m, dtype=torch.int64)

    def learn(self, product: torch.Tensor, start: int, first: int) -> None:
        """Take up similarities (q, n) of the queries from `start` on to the rows of the bank from `first` on."""
        similarities, rows = (kept[start : start + len(product)] for kept in (self.similarities, self.rows))
        least = similarities.amin(dim=1)
        if bool((least == NOTHING).any()):
            near, places = torch.topk(product, min(product.shape[1], rows.shape[1]), sorted=False)
            places += first
        else:
            near, places = _above(product, least, first)
        both = torch.cat([similarities, near], dim=1)
        similarities[:], chosen = torch.topk(both, rows.shape[1], sorted=False)
        rows[:] = torch.cat([rows, places], dim=1).gather(1, chosen)


def _above(product: torch.Tensor, least: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Similarities above the least that a query has kept (q,), and their rows: (q, as many as the query with most)."""
    groups = product.view(len(product), -1, GROUP)
    query, group = np.nonzero((groups.amax(dim=2) > least[:, None]).numpy())  # fewer and fewer, as the least rises
    opened = groups.numpy()[query, group]
    hit, inside = np.nonzero(opened > least.numpy()[query, None])
    query, group = query[hit], group[hit]
    counts = np.bincount(query, minlength=len(product))
    place = np.arange(len(query)) - (np.cumsum(counts) - counts)[query]  # among the hits of its query
    near = np.full((len(product), counts.max(initial=0)), NOTHING, dtype=np.float32)
    rows = np.zeros(near.shape, dtype=np.int64)
    near[query, place] = opened[hit, inside]
    rows[query, place] = first + group * GROUP + inside
    return torch.from_numpy(near), torch.from_numpy(rows)


def _parts(count: int, step: int) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, count, step))


def _padded(block: np.ndarray) -> torch.Tensor:
    """A block of the bank at length one, float32, with rows of zeros up to a whole number of groups."""
    unit = torch.zeros(-(-len(block) // GROUP) * GROUP, block.shape[1])
    write_unit_rows(block, unit[: len(block)])
    return unit
