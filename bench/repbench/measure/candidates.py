"""Candidates for nearest neighbours by float32 products, re-scored in float64, with a margin that proves that none is missed.

A float32 dot product of unit vectors of d components differs from the exact one by at most about d u, u = 2^-24, in whatever
order it is summed (Higham 2002, 3.1); making them unit vectors in float32 adds about d u / 2 for each. So every row whose exact
similarity is among the k best lies, by its float32 similarity, at most twice that below the k-th best. Rows are looked at in
groups: the k-th largest maximum of a group is a lower bound of the k-th best similarity, and only groups that reach it need to
be opened.
"""

from __future__ import annotations

import numpy as np
import torch

from repbench.measure.geometry import unit_rows

GROUP = 64  # rows of the bank in a group
SLACK = 12  # groups, and candidates, more than k that are looked at
ROWS = 4096  # of the bank that are made unit vectors at a time
NUMBERS = 2**24  # similarities held at a time: 64 MB


def search_by_candidates(
    queries: np.ndarray, bank: np.ndarray, k: int, resolution: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each query whether its neighbours are proven, bool (q,); similarities, rounded, float64 (q, k); rows int64 (q, k).

    Equal similarities are ordered by row number. What is said of a query that is not proven means nothing.
    """
    n, d = bank.shape
    groups = -(-n // GROUP)
    unit = torch.zeros(groups * GROUP, d)
    for first in range(0, n, ROWS):
        unit[first : first + ROWS][: n - first] = _unit(bank[first : first + ROWS])
    margin = 2 * (2 * d + 16) * 2.0**-24 + resolution
    found = np.zeros(len(queries), dtype=bool)
    similarities = np.empty((len(queries), k))
    places = np.empty((len(queries), k), dtype=np.int64)
    step = max(16, NUMBERS // len(unit))
    for first in range(0, len(queries), step):
        rows = slice(first, first + step)
        exact = torch.from_numpy(unit_rows(queries[rows]))
        product = exact.float() @ unit.T
        product[:, n:] = -2.0  # what fills up the last group is nobody's neighbour
        candidates, proven = _candidates(product, k, margin)
        similarities[rows], places[rows] = _rescored(exact, bank, candidates.numpy(), k, resolution)
        found[rows] = proven.numpy()
    return found, similarities, places


def _candidates(product: torch.Tensor, k: int, margin: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (q, k + SLACK) with the largest similarities, and whether no other row can be among the k best, (q,)."""
    grouped = product.view(len(product), -1, GROUP)
    width = min(k + SLACK, grouped.shape[1])
    tops, opened = grouped.amax(dim=2).topk(width, dim=1)
    inside = grouped.gather(1, opened[:, :, None].expand(-1, -1, GROUP)).reshape(len(product), -1)
    best, place = inside.topk(k + SLACK, dim=1)
    least = best[:, k - 1] - margin
    proven = best[:, -1] < least
    if width < grouped.shape[1]:
        proven &= tops[:, -1] < least
    return opened.gather(1, place // GROUP) * GROUP + place % GROUP, proven


def _unit(x: np.ndarray) -> torch.Tensor:
    """Rows at length one, float32; rows of zeros stay zeros."""
    rows = torch.from_numpy(np.array(x, dtype=np.result_type(x.dtype, np.float32)))
    rows = (rows / rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)).float()
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-30)


def _rescored(
    queries: torch.Tensor, bank: np.ndarray, candidates: np.ndarray, k: int, resolution: float
) -> tuple[np.ndarray, np.ndarray]:
    near = torch.from_numpy(bank[candidates]).double()
    length = torch.linalg.vector_norm(near, dim=2).clamp(min=1e-300)
    cosine = (torch.bmm(near, queries[:, :, None])[:, :, 0] / length).numpy()
    keys = np.rint(cosine / resolution).astype(np.int64)
    order = np.lexsort((candidates, -keys), axis=1)[:, :k]
    return np.take_along_axis(keys, order, axis=1) * resolution, np.take_along_axis(candidates, order, axis=1)
