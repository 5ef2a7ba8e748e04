"""Clusters of embeddings: k-means by faiss, and how well a partition agrees with classes.

    NMI = I(U; V) / ((H(U) + H(V)) / 2)                               in [0, 1]; not corrected for chance
    ARI = (pairs together in both - expected) / (most - expected)     0 for chance, 1 for equality (Hubert & Arabie 1985)

Both are functions of the table of counts, clusters by classes, alone.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 50  # of k-means, at most: far more than it takes to stop


def k_means(x: np.ndarray, clusters: int, seed: int, restarts: int) -> tuple[np.ndarray, float]:
    """Cluster of each row, int64 (n,), of x float32 (n, d), and the sum of squared distances; the best of the restarts."""
    import faiss

    x = np.ascontiguousarray(x, dtype=np.float32)
    means = faiss.Kmeans(
        x.shape[1],
        clusters,
        niter=ROUNDS,
        nredo=restarts,
        seed=seed + 1,  # faiss takes 0 for its own choice
        min_points_per_centroid=1,
        max_points_per_centroid=len(x),  # all rows, no sample of them
    )
    means.train(x)
    distances, places = means.index.search(x, 1)
    return places[:, 0].astype(np.int64), float(distances.sum(dtype=np.float64))


def contingency(clusters: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Counts float64 (clusters, classes) of the pairs of two partitions, int (n,)."""
    _, row = np.unique(clusters, return_inverse=True)
    _, column = np.unique(label, return_inverse=True)
    shape = int(row.max()) + 1, int(column.max()) + 1
    return np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def adjusted_rand(table: np.ndarray) -> np.ndarray:
    """ARI of each table of counts (..., clusters, classes); 1 where both partitions are one cluster, or all singletons."""
    n = table.sum(axis=(-1, -2))
    together = _pairs(table).sum(axis=(-1, -2))
    rows, columns = _pairs(table.sum(axis=-1)).sum(axis=-1), _pairs(table.sum(axis=-2)).sum(axis=-1)
    expected, most = rows * columns / np.maximum(_pairs(n), 1), (rows + columns) / 2
    open_ = np.abs(most - expected) > 1e-12 * np.maximum(most, 1)
    found: np.ndarray = np.where(open_, (together - expected) / np.where(open_, most - expected, 1.0), 1.0)
    return found


def normalised_information(table: np.ndarray) -> np.ndarray:
    """NMI, by the arithmetic mean of the entropies, of each table of counts (..., clusters, classes).

    1 where both partitions are one cluster, as in scikit-learn.
    """
    p = table / table.sum(axis=(-1, -2), keepdims=True)
    rows, columns = _entropy(p.sum(axis=-1)), _entropy(p.sum(axis=-2))
    shared = rows + columns - _entropy(p.reshape(*p.shape[:-2], -1))
    mean = (rows + columns) / 2
    found: np.ndarray = np.where(mean > 1e-12, np.clip(shared / np.maximum(mean, 1e-12), 0.0, 1.0), 1.0)
    return found


def _pairs(counts: np.ndarray) -> np.ndarray:
    pairs: np.ndarray = counts * (counts - 1) / 2
    return pairs


def _entropy(p: np.ndarray) -> np.ndarray:
    entropy: np.ndarray = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)
    return entropy
