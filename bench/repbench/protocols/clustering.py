"""Clustering: do embeddings fall into their classes by themselves? k-means on test, as many clusters as it has classes.

Embeddings at length one; faiss, ten restarts, of which the tightest counts, which no label chooses. The primary metric is the
adjusted Rand index, 0 for chance; beside it normalised mutual information, which is not corrected for chance. Intervals are
the jackknife's over test examples with the clusters as they are: they do not hold the chance of k-means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import Need
from repbench.measure import clustering
from repbench.measure.geometry import unit_rows
from repbench.outcomes import check_split, single_label, table
from repbench.protocol import Estimate, Outcome

Measure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """`restarts` of k-means."""

    restarts: int = 10
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise ValueError(f"restarts is {self.restarts}; expected at least 1.")

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: no test split, one class only, or examples of several."""
        if "test" not in dataset.split_names:
            return f"{dataset.name} has no split 'test'."
        return single_label(dataset, "clustering") if dataset.class_count > 1 else f"{dataset.name} has one class only."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Test."""
        return (Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False),)

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split or values that are not finite."""
        (test,) = got.test
        check_split(test, "test")
        order = np.argsort(test.ids.astype(str), kind="stable")  # so that the order of examples does not matter
        count = len(np.unique(test.truth))
        places, spread = clustering.k_means(unit_rows(test.x[order]), count, seed, self.restarts)
        cluster = np.empty(len(test), dtype=np.int64)
        cluster[order] = places
        ari, shares = _estimate(cluster, test, clustering.adjusted_rand)
        nmi, _ = _estimate(cluster, test, clustering.normalised_information)
        names = np.array(test.class_names, dtype=object)
        return Outcome(
            primary="ari",
            metrics={"ari": ari, "nmi": nmi},
            examples=table(
                {
                    "id": test.ids,
                    "truth": names[test.truth],
                    "k-means cluster": cluster,
                    "score": shares,
                    **({} if test.clusters is None else {"cluster": test.clusters}),
                }
            ),
            chance=0.0,
            diagnostics={"clusters": count, "restarts": self.restarts, "inertia": spread, "filled": len(np.unique(cluster))},
        )


def _estimate(cluster: np.ndarray, test: TestSplit, measure: Measure) -> tuple[Estimate, np.ndarray]:
    """A measure with its interval, and what each example adds to it (n,), whose mean it is: the delete-one jackknife.

    All examples of one cell of the table change it alike, so one value a cell is enough. Examples that depend on each other
    are added up before their variance is taken.
    """
    table = clustering.contingency(cluster, test.truth)
    rows = np.unique(cluster, return_inverse=True)[1]
    columns = np.unique(test.truth, return_inverse=True)[1]
    cells = np.argwhere(table > 0)
    left = np.repeat(table[None], len(cells), axis=0)
    left[np.arange(len(cells)), cells[:, 0], cells[:, 1]] -= 1
    without = np.zeros(table.shape)
    without[cells[:, 0], cells[:, 1]] = measure(left) if len(test) > 1 else measure(table[None])
    value = float(measure(table[None])[0])
    influence = (len(test) - 1) * (float((table * without).sum()) / len(test) - without[rows, columns])
    groups = np.arange(len(test)) if test.clusters is None else np.unique(test.clusters, return_inverse=True)[1]
    sums = np.bincount(groups, weights=influence)
    half = (
        NormalDist().inv_cdf(0.975) * float(np.sqrt(len(sums) / max(len(sums) - 1, 1) * (np.sort(sums**2).sum()))) / len(test)
    )
    return Estimate(value=value, low=value - half, high=value + half), value + influence
