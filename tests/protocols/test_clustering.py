"""Clustering: its value, and its interval by the jackknife, counted out one example at a time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.protocols.clustering import Clustering

RNG = np.random.default_rng(0)
TRUTH = np.repeat(np.arange(3), (20, 15, 10))
X = (RNG.normal(size=(3, 5))[TRUTH] + 0.6 * RNG.normal(size=(45, 5))).astype(np.float32)


def embeddings(clusters: np.ndarray | None = None) -> Embeddings:
    test = TestSplit(
        x=X,
        truth=TRUTH,
        ids=np.array([f"{i:02d}" for i in range(45)]),
        columns={},
        class_names=("a", "b", "c"),
        clusters=clusters,
    )
    return Embeddings(tuning=(), test=(test,), metric="accuracy")


def test_value_and_jackknife_are_those_of_scikit_learn_with_one_left_out() -> None:
    outcome = Clustering().score(embeddings(), 0)
    found = outcome.examples["k-means cluster"].to_numpy()
    value = adjusted_rand_score(TRUTH, found)
    without = np.array([adjusted_rand_score(np.delete(TRUTH, i), np.delete(found, i)) for i in range(45)])
    deviation = np.sqrt(44 / 45 * ((without - without.mean()) ** 2).sum())
    ari = outcome.metrics["ari"]
    assert ari.value == pytest.approx(value)
    assert ari.high - value == pytest.approx(1.959964 * deviation, rel=1e-5)
    assert outcome.examples.score.mean() == pytest.approx(value)
    assert 0 < outcome.metrics["nmi"].value < 1


def test_examples_that_belong_together_widen_the_interval() -> None:
    alone = Clustering().score(embeddings(), 0).metrics["ari"]
    together = Clustering().score(embeddings(np.repeat(np.arange(9), 5).astype(str)), 0).metrics["ari"]
    assert together.high - together.low > 1.2 * (alone.high - alone.low)
    assert together.value == alone.value
