"""Nearest-neighbour classification against DINO's formula, scikit-learn and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from repbench.datasets.declaration import DatasetDeclaration, Validation
from repbench.digests import digest_json
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols.knn import KNN
from repbench.tasks import Task

CLASSES = ("ant", "bee", "cat")


def embeddings(x: np.ndarray, label: np.ndarray, tested: np.ndarray, truth: np.ndarray) -> Embeddings:
    shared = {"columns": {}, "class_names": CLASSES}
    bank = TuningSplit(x=x, label=label, ids=np.arange(len(x)).astype(str), **shared)
    test = TestSplit(x=tested, truth=truth, ids=np.arange(len(tested)).astype(str), **shared)
    return Embeddings(tuning=(bank,), test=(test,), metric="accuracy")


def random_embeddings(n: int = 240) -> Embeddings:
    rng = np.random.default_rng(0)
    label, truth = rng.integers(3, size=n), rng.integers(3, size=150)
    centres = rng.normal(size=(3, 8))
    x = (centres[label] + rng.normal(size=(n, 8))).astype(np.float32)
    return embeddings(x, label, (centres[truth] + rng.normal(size=(150, 8))).astype(np.float32), truth)


def dataset(**facts: object) -> DatasetDeclaration:
    given = {"name": "toy", "family": "f", "title": "T", "metric": "accuracy", "classes": 3, "sources": {"folder": {}}}
    return DatasetDeclaration(**{**given, "splits": {"train": 9, "test": 9}, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(("k", "temperature"), [(20, 0.07), (5, 1.0), (200, 0.1)])
def test_it_is_scikit_learn_with_dinos_weights(k: int, temperature: float) -> None:
    got = random_embeddings()
    (bank,), (test,) = got.tuning, got.test
    model = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / temperature))
    predicted = model.fit(bank.x.astype(float), bank.label).predict(test.x.astype(float))
    outcome = KNN(k=k, temperature=temperature).score(got, 0)
    assert outcome.examples["prediction"].tolist() == [CLASSES[c] for c in predicted]
    assert outcome.metrics["accuracy"].value == pytest.approx(np.mean(predicted == test.truth))
    nearest = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(bank.x.astype(float), bank.label)
    assert outcome.metrics["accuracy-k1"].value == pytest.approx(nearest.score(test.x.astype(float), test.truth))
    said = nearest.predict(test.x.astype(float))
    assert outcome.metrics["mean-per-class-k1"].value == pytest.approx(balanced_accuracy_score(test.truth, said))
    low, high = (getattr(outcome.metrics["mean-per-class-k1"], bound) for bound in ("low", "high"))
    assert low < balanced_accuracy_score(test.truth, said) < high
    assert outcome.chances["mean-per-class-k1"] == pytest.approx(1 / 3)
    assert outcome.examples["score at k1"].tolist() == (said == test.truth).tolist()


def test_k_is_clipped_to_the_bank_and_reported() -> None:
    outcome = KNN(k=20).score(random_embeddings(n=7), 0)
    assert outcome.diagnostics["k"] == 7
    assert outcome.diagnostics["bank"] == 7


def test_equal_votes_share_the_credit() -> None:
    x = np.array([[1, 0], [1, 0], [-1, 0]], dtype=np.float32)
    outcome = KNN(k=2).score(embeddings(x, np.array([2, 0, 1]), x[:1], np.array([0])), 0)
    assert outcome.examples.loc[0, ["prediction", "score", "tied"]].tolist() == ["ant", 0.5, True]
    assert outcome.metrics["accuracy-k1"].value == 0.0  # the lower row of the two, which is a cat


def test_an_encoder_that_shows_the_class_is_perfect() -> None:
    label = np.arange(90) % 3
    x = np.eye(3, dtype=np.float32)[label]
    outcome = KNN().score(embeddings(x, label, x, label), 0)
    assert {name: e.value for name, e in outcome.metrics.items()} == dict.fromkeys(
        ("accuracy", "mean-per-class", "accuracy-k1", "mean-per-class-k1"), 1
    )


def test_zero_vectors_are_scored_not_refused() -> None:
    got = random_embeddings()
    got.test[0].x[:5] = 0
    assert KNN().score(got, 0).metrics["accuracy"].value > 0.4


def test_an_empty_bank_is_refused() -> None:
    got = random_embeddings()
    (bank,), (test,) = got.tuning, got.test
    with pytest.raises(ProtocolError, match=r"bank \(train \+ val\) split is empty"):
        KNN().score(embeddings(bank.x[:0], bank.label[:0], test.x, test.truth), 0)


def test_the_bank_is_train_with_val_where_there_is_one() -> None:
    splits = [KNN().needs(d)[0].split for d in (dataset(), dataset(validation=Validation(share=0.1)))]
    assert splits == ["train", "train+val"]
    assert [n.tuning for n in KNN().needs(dataset())] == [True, False]


def test_it_fits_datasets_with_train_test_and_classes() -> None:
    assert KNN().fits(dataset()) == ""
    assert "'train'" in KNN().fits(dataset(splits={"test": 9}))
    assert "one class" in KNN().fits(dataset(classes=1))


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="k is 0"):
        KNN(k=0)
    with pytest.raises(ValueError, match="temperature is 0"):
        KNN(temperature=0.0)


def test_an_approximate_index_tells_its_recall_and_warns() -> None:
    got = random_embeddings(n=6000)
    exact, ours = KNN().score(got, 0), KNN(index="ivf").score(got, 0)
    assert not exact.diagnostics.keys() & {"index", "warnings"}
    told = ours.diagnostics["index"]
    assert told["kind"] == "ivf"
    assert 0.9 < told["recall"] <= 1
    assert told["recall_queries"] == 150
    assert ours.diagnostics["warnings"] == [
        f"neighbours by an approximate index (ivf): {told['recall']:.1%} of the exact ones are found, over 150 of the queries"
    ]
    assert ours.metrics["accuracy"].value == pytest.approx(exact.metrics["accuracy"].value, abs=0.02)
    with pytest.raises(ValueError, match="index is 'tree'; expected one of exact, ivf"):
        KNN(index="tree")


def test_an_index_is_another_task_and_the_default_is_the_task_that_it_was() -> None:
    task = Task(protocol_name="knn", protocol=KNN(), dataset=dataset())
    before = digest_json(["knn", 1, digest_json({"k": 20, "temperature": 0.07}), dataset().digest])
    assert task.digest == before
    other = task.with_options({"index": "ivf"})
    assert other.digest != before
    assert other.told == ("index=ivf",)
    assert other.with_options({"index": None}).digest == other.digest
