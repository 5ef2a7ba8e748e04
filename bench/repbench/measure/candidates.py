"""Candidates for nearest neighbours by float32 products, re-scored in float64, with a margin that proves that none is missed.

A float32 dot product of unit vectors of d components differs from the exact one by at most about d u, u = 2^-24, in whatever
order it is summed (Higham 2002, 3.1); making them unit vectors in float32 adds about d u / 2 for each. So every row whose exact
similarity is among the k best lies, by its float32 similarity, at most twice that below the k-th best. Rows are looked at in
groups: the m largest similarities lie in the m groups with the largest maxima, and only those are opened.
"""

from __future__ import annotations

import numpy as np
import torch

from repbench.measure.geometry import unit_rows

GROUP = 64  # rows of the bank in a group
SLACK = 12  # groups, and candidates, more than k that are looked at
ROWS = 4096  # of the bank that are made unit vectors at a time
BANK = 2**26  # numbers of the bank that are held at a time: 256 MB, however long a memory map it is read from
NUMBERS = 2**24  # similarities held at a time: 64 MB
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
    best = torch.full((len(queries), wide), -3.0)
    candidates = torch.zeros((len(queries), wide), dtype=torch.int64)
    most = max(GROUP * wide, min(BANK // d, NUMBERS // 16) // GROUP * GROUP)
    for first in range(0, n, most):
        unit = _padded(bank[first : first + most])
        step = max(16, NUMBERS // len(unit))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            product = torch.from_numpy(unit_rows(queries[rows])).float() @ unit.T
            product[:, n - first :] = -2.0  # what fills up the last group is nobody's neighbour
            near, places = _nearest(product, wide)
            best[rows], chosen = torch.cat([best[rows], near], dim=1).topk(wide, dim=1)
            candidates[rows] = torch.cat([candidates[rows], places + first], dim=1).gather(1, chosen)
        del unit  # before the next block is made
    margin = 2 * (2 * d + 16) * 2.0**-24 + resolution
    proven = best[:, -1] < best[:, k - 1] - margin  # then so is every row that is no candidate
    return proven.numpy(), *rescored(queries, bank, candidates.numpy(), k, resolution)


def rescored(
    queries: np.ndarray, bank: np.ndarray, candidates: np.ndarray, k: int, resolution: float
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each query's candidates by their cosine in float64, rounded: float64 and int64 (q, k), ties by row number.

    candidates int64 (q, m), m >= k, rows of the bank; -1 where there is none, which comes last.
    """
    similarities = np.empty((len(queries), k))
    places = np.empty((len(queries), k), dtype=np.int64)
    step = max(1, NUMBERS // 4 // (candidates.shape[1] * bank.shape[1]))
    for first in range(0, len(queries), step):
        rows, some = slice(first, first + step), candidates[first : first + step]
        near = torch.from_numpy(np.asarray(bank[some])).double()
        length = torch.linalg.vector_norm(near, dim=2).clamp(min=1e-300)
        exact = torch.from_numpy(unit_rows(queries[rows]))
        cosine = (torch.bmm(near, exact[:, :, None])[:, :, 0] / length).numpy()
        keys = np.rint(cosine / resolution).astype(np.int64)
        keys[some < 0] = -NOWHERE
        order = np.lexsort((some, -keys), axis=1)[:, :k]
        similarities[rows] = np.take_along_axis(keys, order, axis=1) * resolution
        places[rows] = np.take_along_axis(some, order, axis=1)
    return similarities, places


def unit_float32(x: np.ndarray) -> torch.Tensor:
    """Rows of x (n, d) at length one, float32; rows of zeros stay zeros."""
    rows = torch.from_numpy(np.array(x, dtype=np.result_type(x.dtype, np.float32)))
    rows = (rows / rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)).float()
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-30)


def _padded(block: np.ndarray) -> torch.Tensor:
    """A block of the bank at length one, float32, with rows of zeros up to a whole number of groups."""
    unit = torch.zeros(-(-len(block) // GROUP) * GROUP, block.shape[1])
    for first in range(0, len(block), ROWS):
        unit[first : first + ROWS][: len(block) - first] = unit_float32(block[first : first + ROWS])
    return unit


def _nearest(product: torch.Tensor, wide: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest similarities of each query in a block, (q, wide) or as many as there are, and their rows in it."""
    grouped = product.view(len(product), -1, GROUP)
    opened = grouped.amax(dim=2).topk(min(wide, grouped.shape[1]), dim=1).indices
    inside = grouped.gather(1, opened[:, :, None].expand(-1, -1, GROUP)).reshape(len(product), -1)
    best, place = inside.topk(min(wide, inside.shape[1]), dim=1)
    return best, opened.gather(1, place // GROUP) * GROUP + place % GROUP
