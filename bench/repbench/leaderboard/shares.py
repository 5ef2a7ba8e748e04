"""What each example adds to a record's primary metric: the ground on which encoders are compared pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from repbench.results.record import Record

AGREES = 1e-9  # a metric that its examples do not add up to is no mean over examples


@dataclass(frozen=True, kw_only=True)
class Shares:
    """`added` (n,) adds up to the metric; `ids` (n,) name the examples; equal `clusters` (n,) go together."""

    ids: np.ndarray
    added: np.ndarray
    clusters: np.ndarray | None = None


def shares_of(record: Record, examples: pd.DataFrame | None) -> Shares | None:
    """The shares of a record, or None where no examples are kept or its metric is no mean over them (average precision).

    An accuracy gives every example 1 / n of its score, a mean per class 1 / (classes x examples of its class). Examples that
    depend on each other (the poses of one object, the captions of one image) say so in the column `cluster`.
    """
    added = _added(record, examples)
    if examples is None or added is None or record.value is None:
        return None
    if abs(float(added.sum()) - record.value.value) > AGREES * max(1.0, abs(record.value.value)):
        return None
    clusters = examples["cluster"].to_numpy().astype(str) if "cluster" in examples else None
    return Shares(ids=examples["id"].to_numpy().astype(str), added=added, clusters=clusters)


def added_up(record: Record, examples: pd.DataFrame) -> float | None:
    """What the examples of a record add up to, whatever it says; None where they have no scores."""
    added = _added(record, examples)
    return None if added is None else float(added.sum())


def _added(record: Record, examples: pd.DataFrame | None) -> np.ndarray | None:
    by_class = record.primary.startswith("mean-per-class")  # also over the draws of few-shot
    needed = {"id", "score", "truth"} if by_class else {"id", "score"}
    if examples is None or not needed <= set(examples) or not len(examples):
        return None
    score: np.ndarray = examples["score"].to_numpy(dtype=float)
    if by_class:
        _, place, sizes = np.unique(examples["truth"].to_numpy().astype(str), return_inverse=True, return_counts=True)
        score = score / sizes[place] / len(sizes)
    elif "weight" in examples:  # a mean over subsets
        score = score * examples["weight"].to_numpy(dtype=float)
    else:
        score = score / len(score)
    return score


def aligned(shares: Sequence[Shares | None]) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
    """Shares of several encoders on the same examples: (encoders, examples), their clusters, and the places that take part.

    Rows are matched by id. An encoder on other examples than the first takes no part: it cannot be compared pair by pair.
    """
    present = [place for place, one in enumerate(shares) if one is not None]
    if not present:
        return np.empty((0, 0)), None, []
    first = shares[present[0]]
    assert first is not None
    wanted, rows, kept = np.argsort(first.ids, kind="stable"), [], []
    names = first.ids[wanted]
    for place in present:
        one = shares[place]
        assert one is not None
        order = np.argsort(one.ids, kind="stable")
        if np.array_equal(one.ids[order], names):
            rows.append(one.added[order])
            kept.append(place)
    return np.array(rows), None if first.clusters is None else first.clusters[wanted], kept


def by_cluster(rows: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Rows (encoders, examples) added up within clusters: (encoders, clusters)."""
    if clusters is None:
        return rows
    _, place = np.unique(clusters, return_inverse=True)
    return np.stack([np.bincount(place, weights=row) for row in rows])
