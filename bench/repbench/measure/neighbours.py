"""Exact nearest neighbours by cosine, and the weighted vote of Wu et al. (2018) with DINO's constants."""

from __future__ import annotations

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.checked import numbers
from repbench.measure.finite import finite_rows
from repbench.measure.geometry import unit_rows

RESOLUTION = 1e-6  # similarities closer than this are one similarity; float32 embeddings carry no more
SMALL = 10**9  # q x n x d below which all is done in float64
FEW = 256  # candidates pay where k is at most this part of the bank
ROWS = 2048  # of the bank and of the queries in one product: blocks of 32 MB


def search(queries: np.ndarray, bank: np.ndarray, k: int, *, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Similarities float64 (q, k) and row numbers int64 (q, k) of the k rows of the bank most similar to each query.

    queries (q, d), bank (n, d); k is clipped to n. Similarity is the cosine in float64, rounded to 1e-6, and 0 where a vector
    is zero; equal similarities are ordered by row number. So duplicates tie exactly, and neither the block size `rows` nor the
    machine decides an order; cosines that differ by less, as beside an offset a thousand times as large, are one. Large ones
    find candidates by float32 products, with a margin that proves that none is missed (measure/candidates.py). The bank may be
    a memory map larger than memory: it is read in blocks. Raises as `check`.
    """
    queries, bank = numbers(queries), numbers(bank)
    check(queries, bank, k)
    n, k = len(bank), min(k, len(bank))
    if not len(queries):
        return np.empty((0, k)), np.empty((0, k), dtype=np.int64)
    if len(queries) * n * queries.shape[1] < SMALL or k > n // FEW:
        return _search(queries, bank, k, rows)
    from repbench.measure.candidates import search_by_candidates

    found, similarities, places = search_by_candidates(queries, bank, k, RESOLUTION)
    if not found.all():  # too many rows are as similar as the k-th: only the whole search can order them
        similarities[~found], places[~found] = _search(queries[~found], bank, k, rows)
    return similarities, places


def _search(queries: np.ndarray, bank: np.ndarray, k: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    n = len(bank)
    best = np.empty((len(queries), 0), dtype=np.int64)
    for first in range(0, n, rows):
        part = unit_rows(bank[first : first + rows])
        backwards = n - 1 - np.arange(first, first + len(part))
        blocks = [
            _largest(np.concatenate([best[q : q + rows], _keys(queries[q : q + rows], part, backwards, n)], axis=1), k)
            for q in range(0, len(queries), rows)
        ]
        best = np.concatenate(blocks)
    best = -np.sort(-best, axis=1)
    return (best // n) * RESOLUTION, n - 1 - best % n


def vote(similarities: np.ndarray, labels: np.ndarray, classes: int, temperature: float) -> np.ndarray:
    """Class scores (q, classes): the sum of exp(similarity / temperature) over the neighbours of each class.

    similarities and labels of the neighbours, both (q, k). Scores of a query are divided by its largest weight, which
    leaves their order alone and cannot overflow. Source: DINO's eval_knn.py. Raises ProtocolError for temperature <= 0.
    """
    if temperature <= 0:
        raise ProtocolError(f"temperature is {temperature}; expected a number above 0.")
    weights = np.exp((similarities - similarities.max(axis=1, keepdims=True)) / temperature)
    scores = np.zeros((len(similarities), classes))
    np.add.at(scores, (np.arange(len(similarities))[:, None], labels), weights)
    return scores


def _keys(queries: np.ndarray, part: np.ndarray, backwards: np.ndarray, n: int) -> np.ndarray:
    """One int64 per (query, row): rounded similarity first, then the row number, counted backwards so that low ones win."""
    product = unit_rows(queries) @ part.T
    product /= RESOLUTION
    keys: np.ndarray = np.rint(product, out=product).astype(np.int64)
    keys *= n
    keys += backwards
    return keys


def _largest(keys: np.ndarray, k: int) -> np.ndarray:
    """The k largest keys of each row, in any order; all where there are no more than k."""
    if keys.shape[1] <= k:
        return keys
    return np.partition(keys, keys.shape[1] - k, axis=1)[:, -k:].copy()


def check(queries: np.ndarray, bank: np.ndarray, k: int) -> None:
    """Raise ProtocolError for k < 1, tables of unequal widths, an empty bank, and values that are not finite."""
    if not isinstance(k, int | np.integer) or k < 1:
        raise ProtocolError(f"k is {k!r}; expected a whole number of at least 1 neighbour.")
    if queries.ndim != 2 or bank.ndim != 2 or queries.shape[1] != bank.shape[1]:
        raise ProtocolError(f"neighbours need two tables of one width; got {queries.shape} and {bank.shape}.")
    if not len(bank):
        raise ProtocolError("the bank in which neighbours are searched is empty.")
    for name, table in (("queries", queries), ("bank", bank)):
        bad = int((~finite_rows(table)).sum())
        if bad:
            raise ProtocolError(f"{bad} of {len(table)} {name} are NaN or infinite.")
