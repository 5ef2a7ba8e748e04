"""Novelty against scikit-learn: each score, the area under its curve, and what passes at 95 %."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols import _probe
from repbench.protocols.ood import SCORES, Ood

CLASSES = 6
SIZES = {"train": 240, "val": 120, "test": 300}


def asked(spread: float = 2.0, familiar: int = CLASSES) -> Embeddings:
    """Clouds about random centres. Of `familiar` classes there is train and val: fewer than six are a split "ood"."""
    rng = np.random.default_rng(0)
    centres = spread * rng.normal(size=(CLASSES, 12))
    parts = {}
    for split, rows in SIZES.items():
        label = np.arange(rows) % (CLASSES if split == "test" else familiar)
        x = (centres[label] + rng.normal(size=(rows, 12))).astype(np.float32)
        parts[split] = x, np.array([f"{split}{place:03d}" for place in range(rows)]), label
    names = tuple("abcdef")
    tuning = tuple(
        TuningSplit(x=x, ids=ids, columns={}, class_names=names, label=label)
        for x, ids, label in (parts["train"], parts["val"])
    )
    x, ids, truth = parts["test"]
    return Embeddings(
        tuning=tuning, test=(TestSplit(x=x, ids=ids, columns={}, class_names=names, truth=truth),), metric="accuracy"
    )


def test_areas_and_what_passes_are_those_of_scikit_learn() -> None:
    outcome = Ood().score(asked(0.7), 0)
    foreign = outcome.examples["foreign"].to_numpy()
    assert foreign.sum() == SIZES["test"] // 3  # two of six classes of fifty
    for name in SCORES:
        score = outcome.examples[name].to_numpy()
        assert outcome.metrics[f"auroc-{name}"].value == pytest.approx(roc_auc_score(~foreign, score))
        false, true, _ = roc_curve(~foreign, score, drop_intermediate=False)
        assert outcome.metrics[f"fpr95-{name}"].value == pytest.approx(false[np.argmax(true >= 0.95)])
        assert 0 < outcome.metrics[f"fpr95-{name}"].value < 1
    assert outcome.examples["score"].mean() == pytest.approx(outcome.metrics["auroc-neighbour"].value)


def test_each_score_is_its_formula_of_the_probe_and_of_train() -> None:
    got = asked(0.7, familiar=4)
    train, val = got.tuning
    outcome = Ood().score(got, 0)
    assert outcome.diagnostics["classes_known"] == 4
    x = got.test[0].x
    fitted = TuningSplit(x=train.x, ids=train.ids, columns={}, class_names=tuple("abcd"), label=train.label)
    chosen = TuningSplit(x=val.x, ids=val.ids, columns={}, class_names=tuple("abcd"), label=val.label)
    logits = _probe.few_strengths(fitted, chosen, 4, "accuracy", "cpu").scores(x)
    found = outcome.examples
    assert found["max-softmax"].to_numpy() == pytest.approx(softmax(logits, axis=1).max(axis=1), abs=1e-6)
    assert found["energy"].to_numpy() == pytest.approx(logsumexp(logits, axis=1), abs=1e-6)
    distances = NearestNeighbors(n_neighbors=10, metric="cosine").fit(train.x).kneighbors(x)[0]
    assert found["neighbour"].to_numpy() == pytest.approx(1 - distances[:, 9], abs=1e-6)
    z, q = normalize(train.x.astype(float)), normalize(x.astype(float))
    means = np.stack([z[train.label == one].mean(axis=0) for one in range(4)])
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(z - means[train.label]).covariance_)
    nearest = np.min([((q - m) @ precision * (q - m)).sum(axis=1) for m in means], axis=0)
    assert found["mahalanobis"].to_numpy() == pytest.approx(-nearest, rel=1e-5)


def test_an_encoder_that_says_nothing_scores_chance_by_every_score() -> None:
    got = asked()
    still = [TuningSplit(**{**vars(one), "x": np.ones_like(one.x)}) for one in got.tuning]
    test = TestSplit(**{**vars(got.test[0]), "x": np.ones_like(got.test[0].x)})
    outcome = Ood().score(Embeddings(tuning=tuple(still), test=(test,), metric="accuracy"), 0)
    assert {outcome.metrics[f"auroc-{name}"].value for name in SCORES} == {0.5}
    assert {outcome.metrics[f"fpr95-{name}"].value for name in SCORES} == {1.0}


def test_where_nothing_is_foreign_there_is_no_number() -> None:
    got = asked(familiar=4)
    known = got.test[0].truth < 4
    with pytest.raises(ProtocolError, match="familiar and foreign"):
        Ood().score(Embeddings(tuning=got.tuning, test=(got.test[0].take(known),), metric="accuracy"), 0)
