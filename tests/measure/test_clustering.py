"""Agreement of partitions against scikit-learn; k-means against scikit-learn's on blobs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from repbench.measure.clustering import adjusted_rand, contingency, k_means, normalised_information

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("clusters", [1, 2, 7, 60])
def test_agreement_is_scikit_learns(clusters: int) -> None:
    label, found = RNG.integers(5, size=60), RNG.integers(clusters, size=60)
    found[:20] = label[:20]
    table = contingency(found, label)
    assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(label, found))
    assert normalised_information(table) == pytest.approx(normalized_mutual_info_score(label, found))


def test_equal_partitions_agree_whatever_their_numbers() -> None:
    label = np.array([0, 0, 1, 1, 2])
    for table in (contingency(2 - label, label), np.array([[5.0]]), np.eye(4)):
        assert adjusted_rand(table) == pytest.approx(1)
        assert normalised_information(table) == pytest.approx(1)


def test_k_means_is_as_tight_as_scikit_learns() -> None:
    centres = RNG.normal(size=(6, 8))
    x = (centres[RNG.integers(6, size=240)] + 0.3 * RNG.normal(size=(240, 8))).astype(np.float32)
    places, inertia = k_means(x, 6, seed=0, restarts=10)
    theirs = KMeans(6, n_init=10, random_state=0).fit(x)
    assert inertia <= theirs.inertia_ * 1.001
    assert adjusted_rand_score(places, theirs.labels_) > 0.99
    again, _ = k_means(x, 6, seed=0, restarts=10)
    assert np.array_equal(places, again)


def test_rows_that_are_all_equal_are_one_cluster() -> None:
    places, inertia = k_means(np.ones((30, 4), dtype=np.float32), 5, seed=0, restarts=2)
    assert len(np.unique(places)) == 1
    assert inertia == pytest.approx(0, abs=1e-3)  # faiss moves the means of empty clusters a little
