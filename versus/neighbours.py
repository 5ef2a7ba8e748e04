"""Exact nearest neighbours beside scikit-learn's brute force and faiss's flat index: `python versus/neighbours.py`.

4,000 queries, 50,000 rows, 512 dimensions, k = 20, by cosine; features of 100 Gaussian classes. Peers are given unit rows in
float32, ours the raw features: it normalises them itself, re-scores in float64 and orders ties.

The OpenBLAS that faiss brings (0.3.15) takes kernels of long ago on processors that it does not know, so faiss is timed with
AVX2's too (OPENBLAS_CORETYPE=Haswell), which must be said before a process begins: it has one of its own.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from unittest import mock

import faiss
import numpy as np
import torch
from common import figure, in_turn, ratio, save
from sklearn.neighbors import NearestNeighbors

from repbench.measure import neighbours
from repbench.measure.fixed_matrix import FixedMatrix
from repbench.measure.geometry import unit_rows

QUERIES, BANK, WIDTH, K, CLASSES, ROUNDS = 4000, 50000, 512, 20, 100, 5


def features() -> tuple[np.ndarray, np.ndarray]:
    """Queries and bank, float32."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CLASSES, WIDTH))
    rows = generator.standard_normal((QUERIES + BANK, WIDTH)) + 0.5 * centres[generator.integers(0, CLASSES, QUERIES + BANK)]
    return rows[:QUERIES].astype(np.float32), rows[QUERIES:].astype(np.float32)


def faiss_by_itself() -> list[float]:
    """Seconds of faiss alone in a process, round by round."""
    queries, bank = (unit_rows(one).astype(np.float32) for one in features())
    index = faiss.IndexFlatIP(WIDTH)
    index.add(bank)
    return in_turn({"": lambda: index.search(queries, K)}, ROUNDS)[""]


def faiss_with_avx2() -> list[float]:
    """The same in a process that is told which kernels to take."""
    with mock.patch.dict(os.environ, OPENBLAS_CORETYPE="Haswell"), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(faiss_by_itself).result()


def main() -> None:
    """Time the three in turn, and compare what they find."""
    queries, bank = features()
    unit_queries, unit_bank = unit_rows(queries).astype(np.float32), unit_rows(bank).astype(np.float32)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(unit_bank)
    brute = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(unit_bank)
    blocks = [FixedMatrix(torch.from_numpy(part)) for part in np.array_split(unit_bank, 50)]
    sides = {
        "scikit-learn": lambda: brute.kneighbors(unit_queries),
        "faiss": lambda: index.search(unit_queries, K),
        "ours": lambda: neighbours.search(queries, bank, K),
    }
    seconds = in_turn(sides, ROUNDS)
    product = {"product": lambda: [part.times(torch.from_numpy(unit_queries)) for part in blocks]}
    seconds |= in_turn(product, ROUNDS)  # by itself: torch's threads, which wait busily, would slow NumPy's beside it
    seconds["faiss with AVX2"] = faiss_with_avx2()
    middle = {name: f"{median(one):.2f} s" for name, one in seconds.items()}
    why = (
        f"the float32 products of all pairs alone take {middle['product']} by oneDNN, in blocks that stay in cache,"
        f" and faiss's search {middle['faiss with AVX2']} with kernels for AVX2: three times that is beyond the machine."
        f" Ours, {middle['ours']}, makes unit rows itself, orders ties, and scores in float64 what it found"
    )
    shape = f"{QUERIES} queries x {BANK} rows x {WIDTH}, k = {K}"
    reference = unit_rows(queries[:500]) @ unit_rows(bank).T
    exact = np.sort(np.argsort(-reference, axis=1, kind="stable")[:, :K], axis=1)
    agreement = float((np.sort(neighbours.search(queries, bank, K)[1][:500], axis=1) == exact).all(axis=1).mean())
    save(
        __file__,
        [
            ratio(
                f"exact neighbours, {shape}: scikit-learn's brute force / ours",
                seconds["scikit-learn"],
                seconds["ours"],
                1.8,
                why,
            ),
            ratio(f"exact neighbours, {shape}: faiss's flat index / ours", seconds["faiss"], seconds["ours"], 3, why),
            ratio("faiss's flat index with its kernels for AVX2 / ours", seconds["faiss with AVX2"], seconds["ours"], 3, why),
            figure("share of queries whose neighbours are those of a float64 search", [agreement], 0.999, unit="of queries"),
        ],
        {"seconds": seconds},
    )


if __name__ == "__main__":
    main()
