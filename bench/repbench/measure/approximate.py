"""Nearest neighbours by an approximate index of faiss, whose candidates are re-scored exactly, with its recall measured beside.

An inverted file (Jégou et al. 2011): the bank in as many lists as the root of its length, by k-means, its vectors quantised to
a byte a number, so that the index is a quarter of a bank that can be a memory map larger than memory. It only proposes rows:
which of them come first is decided by the cosine in float64 and the rule for ties of the exact search (measure/neighbours.py).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure import neighbours

EXACT, INVERTED_FILE = "exact", "ivf"
INDEXES = (INVERTED_FILE,)
MORE = 4  # so many times k candidates are re-scored
PROBED = 32  # lists that are searched for a query
TRAINED = 64  # rows a list that its centre is learnt from
ROUNDS = 10  # of k-means
ROWS = 4096  # of the bank that are handed over at a time
SAMPLE = 256  # queries on which the recall is measured


def search(
    queries: np.ndarray, bank: np.ndarray, k: int, kind: str, seed: int
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """As `neighbours.search`, by an index of one of INDEXES; and what is to be told of it, JSON-like.

    A query for which the index proposes fewer than k rows is searched exactly. `recall` is the share of the k exact neighbours
    that are found, over a sample of the queries, spread evenly. The index is built by one thread from `seed`, so that equal
    input gives an equal index. Raises ProtocolError as `neighbours.search`, and for another kind.
    """
    if kind not in INDEXES:
        raise ProtocolError(f"the index is {kind!r}; expected one of {', '.join(INDEXES)}.")
    from repbench.measure.candidates import rescored

    queries, bank = np.asarray(queries), np.asarray(bank)
    neighbours.check(queries, bank, k)
    k = min(k, len(bank))
    with _one_thread():
        index = _built(bank, seed)
    proposed = _proposed(index, queries, min(MORE * k, len(bank)))
    similarities, rows = rescored(queries, bank, proposed, k, neighbours.RESOLUTION)
    short = (proposed >= 0).sum(axis=1) < k
    if short.any():
        similarities[short], rows[short] = neighbours.search(queries[short], bank, k)
    sample = np.unique(np.linspace(0, len(queries) - 1, min(SAMPLE, len(queries))).astype(np.int64))
    _, exact = neighbours.search(queries[sample], bank, k)
    hits = sum(len(np.intersect1d(*pair)) for pair in zip(rows[sample], exact, strict=True))
    told = {"kind": kind, "lists": index.nlist, "probed": index.nprobe, "candidates": proposed.shape[1]}
    return similarities, rows, {**told, "recall": hits / max(1, exact.size), "recall_queries": len(sample)}


def _built(bank: np.ndarray, seed: int) -> Any:
    import faiss

    n, d = bank.shape
    lists = max(1, min(round(math.sqrt(n)), n // TRAINED))
    index: Any = faiss.index_factory(d, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter = seed + 1, ROUNDS  # faiss takes a seed of 0 for its own choice
    index.cp.min_points_per_centroid = 1  # what a small bank has is enough, and no warning is printed
    index.nprobe = min(PROBED, lists)
    sample = np.random.default_rng(seed).choice(n, size=min(n, TRAINED * lists), replace=False)
    sample.sort()  # a map is read from front to back
    index.train(np.concatenate([_unit(bank[sample[first : first + ROWS]]) for first in range(0, len(sample), ROWS)]))
    for first in range(0, n, ROWS):
        index.add(_unit(bank[first : first + ROWS]))
    return index


def _proposed(index: Any, queries: np.ndarray, count: int) -> np.ndarray:
    """Rows of the bank int64 (q, count), -1 where the lists that are searched have no more."""
    found = [index.search(_unit(queries[first : first + ROWS]), count)[1] for first in range(0, len(queries), ROWS)]
    return np.concatenate(found) if found else np.empty((0, count), dtype=np.int64)


def _unit(x: np.ndarray) -> np.ndarray:
    from repbench.measure.candidates import unit_float32  # torch, for which the list of tasks must not wait

    return unit_float32(x)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """faiss with one thread: how many there are may decide the last digit of a centre."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
