"""The linear probe against scikit-learn's logistic regression, swept and refitted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from repbench.datasets.declaration import ELEVEN_POINT, DatasetDeclaration, Validation
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure import average_precision, logistic
from repbench.measure.logistic import STRENGTHS
from repbench.measure.solver import descent
from repbench.protocols.linear_probe import CLOSE, LinearProbe

CLASSES = ("ant", "bee", "cat", "dog")
METRICS = ("accuracy", "mean-per-class")
CENTRES = np.random.default_rng(9).normal(size=(4, 6))


def draw(n: int, seed: int, share: tuple[float, ...] = (0.25,) * 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.arange(4), rng.choice(4, size=n - 4, p=share)])
    return (3 + CENTRES[label] + 1.2 * rng.normal(size=(n, 6))).astype(np.float32), label


def tuning(x: np.ndarray, label: np.ndarray, names: tuple[str, ...] = CLASSES) -> TuningSplit:
    return TuningSplit(x=x, ids=np.arange(len(x)).astype(str), columns={}, class_names=names, label=label)


def held_out(x: np.ndarray, truth: np.ndarray, names: tuple[str, ...] = CLASSES) -> TestSplit:
    return TestSplit(x=x, ids=np.arange(len(x)).astype(str), columns={}, class_names=names, truth=truth)


def embeddings(metric: str = "accuracy", share: tuple[float, ...] = (0.25,) * 4) -> Embeddings:
    train, val, test = (draw(n, seed, share) for n, seed in ((120, 0), (80, 1), (300, 2)))
    return Embeddings(tuning=(tuning(*train), tuning(*val)), test=(held_out(*test),), metric=metric)


def dataset(**facts: object) -> DatasetDeclaration:
    given = {"name": "toy", "family": "f", "title": "T", "metric": "accuracy", "classes": 4, "sources": {"folder": {}}}
    return DatasetDeclaration(**{**given, "splits": {"train": 9, "val": 9, "test": 9}, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_is_scikit_learn_swept_by_hand(metric: str) -> None:
    got = embeddings(metric, (0.7, 0.1, 0.1, 0.1))
    (train, val), (test,) = got.tuning, got.test
    measure = balanced_accuracy_score if metric == "mean-per-class" else lambda truth, found: float(np.mean(truth == found))
    validation = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=500, solver="newton-cg").fit(
            train.x.astype(float), train.label
        )
        validation.append(measure(val.label, model.predict(val.x)))
    chosen = max(s for s, v in zip(STRENGTHS, validation, strict=True) if v >= max(validation) - 1e-12)
    both, label = np.concatenate([train.x, val.x]).astype(float), np.concatenate([train.label, val.label])
    model = LogisticRegression(C=1 / chosen, tol=1e-8, max_iter=500, solver="newton-cg").fit(both, label)
    predicted = model.predict(test.x)

    outcome = LinearProbe(gap=1e-9).score(got, seed=0)
    assert outcome.diagnostics["strength"] == chosen
    assert [row["score"] for row in outcome.diagnostics["validation"]] == pytest.approx(validation)
    assert outcome.examples["prediction"].tolist() == [CLASSES[c] for c in predicted]
    assert outcome.primary == metric
    assert outcome.metrics["accuracy"].value == pytest.approx(np.mean(predicted == test.truth))
    assert outcome.metrics["mean-per-class"].value == pytest.approx(balanced_accuracy_score(test.truth, predicted))


def test_the_default_gap_gives_the_same_predictions_as_a_tight_one() -> None:
    loose, tight = (LinearProbe(gap=gap).score(embeddings(), 0) for gap in (1e-4, 1e-10))
    assert (loose.examples["prediction"] == tight.examples["prediction"]).mean() > 0.99
    assert loose.diagnostics["relative_gap"] <= 1e-4
    assert loose.diagnostics["converged"]
    assert loose.diagnostics["evaluations"] < tight.diagnostics["evaluations"]


def test_the_record_has_the_certificate_of_every_strength_and_names_those_that_are_not_proven() -> None:
    told = LinearProbe().score(embeddings(), 0).diagnostics
    assert [row["strength"] for row in told["validation"]] == list(STRENGTHS)
    assert all(0 <= row["relative_gap"] <= 1e-4 and row["gradient_norm"] >= 0 for row in (*told["validation"], told["refit"]))
    assert told["relative_gap"] == max(row["relative_gap"] for row in (*told["validation"], told["refit"]))
    assert told["unproven"] == []


def test_strengths_at_which_the_work_ran_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = descent.Descent.to
    monkeypatch.setattr(descent.Descent, "to", lambda self, strength, rule, most=0: whole(self, strength, rule, 2))
    told = LinearProbe(gap=1e-12).score(embeddings(), 0).diagnostics
    assert told["unproven"] == [row["strength"] for row in told["validation"] if row["relative_gap"] > 1e-12]
    assert told["unproven"]
    assert not told["converged"]


def overlapping(order: np.ndarray) -> Embeddings:
    """Twelve classes that overlap so much that the best strength is a matter of single examples; rows of train in an order."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(12, 40))

    def split(n: int) -> tuple[np.ndarray, np.ndarray]:
        label = np.concatenate([np.arange(12), rng.integers(0, 12, n - 12)])
        return (1.1 * centres[label] + 3.0 * rng.normal(size=(n, 40))).astype(np.float32), label

    (x, label), val, test = split(500), split(600), split(300)
    names = tuple("abcdefghijkl")
    return Embeddings(
        tuning=(tuning(x[order], label[order], names), tuning(*val, names)),
        test=(held_out(*test, names),),
        metric="accuracy",
    )


@pytest.mark.parametrize("seed", range(3))
def test_neither_the_order_of_rows_nor_the_other_strengths_change_the_choice_or_a_prediction(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    probe = LinearProbe(gap=3e-3)  # so coarse that the path alone chooses another strength where every second one is left out
    told = probe.score(overlapping(np.arange(500)), 0)
    shuffled = probe.score(overlapping(np.random.default_rng(seed).permutation(500)), 0)
    assert shuffled.diagnostics["strength"] == told.diagnostics["strength"]
    assert shuffled.examples["prediction"].tolist() == told.examples["prediction"].tolist()
    some = STRENGTHS[STRENGTHS.index(told.diagnostics["strength"]) % (seed + 2) :: seed + 2]
    monkeypatch.setattr(logistic.fit_path, "__defaults__", (some,))
    fewer = probe.score(overlapping(np.arange(500)), 0)
    assert [row["strength"] for row in fewer.diagnostics["validation"]] == list(some)
    assert fewer.diagnostics["strength"] == told.diagnostics["strength"]
    assert fewer.examples["prediction"].tolist() == told.examples["prediction"].tolist()


def test_the_strengths_among_which_one_chooses_are_solved_a_hundred_times_finer() -> None:
    told = LinearProbe().score(overlapping(np.arange(500)), 0).diagnostics["validation"]
    best = max(row["score"] for row in told)
    close = [row["relative_gap"] for row in told if row["score"] >= best - CLOSE]
    assert len(close) > 1
    assert max(close) <= 1e-6 < max(row["relative_gap"] for row in told)


def test_the_dataset_s_metric_chooses_the_strength() -> None:
    chosen = {m: LinearProbe().score(embeddings(m, (0.85, 0.05, 0.05, 0.05)), 0).diagnostics for m in METRICS}
    assert chosen["accuracy"]["validation"] != chosen["mean-per-class"]["validation"]


def test_equal_validation_scores_take_the_strongest_regularisation_and_flag_the_edge() -> None:
    outcome = LinearProbe().score(_shown(np.ones((200, 3), dtype=np.float32)), 0)
    assert outcome.diagnostics["strength"] == max(STRENGTHS)
    assert outcome.diagnostics["at_grid_edge"]


def _shown(x: np.ndarray) -> Embeddings:
    label = np.arange(len(x)) % 4
    return Embeddings(tuning=(tuning(x, label), tuning(x, label)), test=(held_out(x, label),), metric="accuracy")


def test_an_encoder_that_shows_the_class_is_perfect_and_a_constant_one_scores_chance() -> None:
    perfect = LinearProbe().score(_shown(np.eye(4, dtype=np.float32)[np.arange(200) % 4]), 0)
    constant = LinearProbe().score(_shown(np.ones((200, 3), dtype=np.float32)), 0)
    assert perfect.metrics["accuracy"].value == 1.0
    assert constant.metrics["accuracy"].value == pytest.approx(0.25)
    assert constant.diagnostics["tie_rate"] == 1.0
    assert constant.chance == 0.25


def test_chance_is_the_share_of_the_commonest_class() -> None:
    got = embeddings(share=(0.7, 0.1, 0.1, 0.1))
    assert LinearProbe().score(got, 0).chance == pytest.approx(np.mean(got.test[0].truth == 0))


def test_a_class_missing_in_train_is_named() -> None:
    x, label = draw(100, 0)
    got = embeddings()
    broken = Embeddings(tuning=(tuning(x[label != 2], label[label != 2]), got.tuning[1]), test=got.test, metric="accuracy")
    with pytest.raises(ProtocolError, match="1 of 4 classes have no example in train: 'cat'"):
        LinearProbe().score(broken, 0)


def test_one_class_only_is_refused() -> None:
    x, label = np.ones((8, 2), dtype=np.float32), np.zeros(8, dtype=int)
    one = tuning(x, label, ("ant",))
    with pytest.raises(ProtocolError, match="two classes"):
        LinearProbe().score(Embeddings(tuning=(one, one), test=(held_out(x, label, ("ant",)),), metric="accuracy"), 0)


@pytest.mark.parametrize("emptied", ["train", "val", "test"])
def test_an_empty_split_is_named(emptied: str) -> None:
    splits = {name: draw(40, seed) for seed, name in enumerate(("train", "val", "test"))}
    splits[emptied] = (splits[emptied][0][:0], splits[emptied][1][:0])
    got = Embeddings(
        tuning=(tuning(*splits["train"]), tuning(*splits["val"])), test=(held_out(*splits["test"]),), metric="accuracy"
    )
    with pytest.raises(ProtocolError, match=f"the {emptied} split is empty"):
        LinearProbe().score(got, 0)


def test_it_fits_datasets_that_have_a_validation_split() -> None:
    carved = dataset(splits={"train": 9, "test": 9}, validation=Validation(share=0.2))
    assert LinearProbe().fits(dataset()) == LinearProbe().fits(carved) == ""
    assert "Declare [validation]" in LinearProbe().fits(dataset(splits={"train": 9, "test": 9}))
    assert "'train', 'val'" in LinearProbe().fits(dataset(splits={"test": 9}))
    assert "one class" in LinearProbe().fits(dataset(classes=1))


def test_it_needs_train_and_val_for_tuning_and_test_for_reporting() -> None:
    needs = LinearProbe().needs(dataset(columns={"photo": "image"}))
    assert [(n.split, n.column, n.view, n.tuning) for n in needs] == [
        ("train", "photo", "plain", True),
        ("val", "photo", "plain", True),
        ("test", "photo", "plain", False),
    ]


@pytest.mark.parametrize("gap", [0.0, -1.0, 1.0])
def test_an_impossible_gap_is_refused(gap: float) -> None:
    with pytest.raises(ValueError, match="gap is"):
        LinearProbe(gap=gap)


def several(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of several classes an example, a tenth of them not to be judged."""
    x, label = draw(n, seed)
    rng = np.random.default_rng(seed + 50)
    found = np.where(rng.random((n, 4)) < 0.15, 1, np.where(rng.random((n, 4)) < 0.1, 0, -1))
    found[np.arange(n), label] = 1
    return x, found.astype(np.int8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_classes_an_example_are_scikit_learn_s_binary_regressions() -> None:
    (train, val, test) = (several(n, seed) for n, seed in ((120, 0), (80, 1), (200, 2)))

    def scored(x: np.ndarray, y: np.ndarray, strength: float, at: tuple[np.ndarray, np.ndarray]) -> tuple[float, np.ndarray]:
        columns = []
        for c in range(4):  # only difficult: a negative while fitting
            model = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=500, solver="newton-cg")
            columns.append(model.fit(x.astype(float), y[:, c] > 0).decision_function(at[0].astype(float)))
        scores = np.stack(columns, axis=1)
        return float(average_precision.eleven_point(scores, at[1]).mean()), scores

    validation = [scored(*train, strength, val)[0] for strength in STRENGTHS]
    chosen = max(s for s, v in zip(STRENGTHS, validation, strict=True) if v >= max(validation) - 1e-12)
    both = (np.concatenate([train[0], val[0]]), np.concatenate([train[1], val[1]]))
    expected, scores = scored(*both, chosen, test)

    got = Embeddings(tuning=(tuning(*train), tuning(*val)), test=(held_out(*test),), metric=ELEVEN_POINT)
    outcome = LinearProbe(gap=1e-9).score(got, seed=0)
    assert outcome.diagnostics["strength"] == chosen
    assert [row["score"] for row in outcome.diagnostics["validation"]] == pytest.approx(validation, abs=1e-6)
    assert outcome.primary == ELEVEN_POINT
    assert outcome.metrics[ELEVEN_POINT].value == pytest.approx(expected, abs=1e-6)
    found = outcome.examples[[f"score of {name}" for name in CLASSES]].to_numpy()
    assert found == pytest.approx(scores, abs=1e-3)
    assert outcome.examples["truth"][0] == ", ".join(n for n, y in zip(CLASSES, test[1][0], strict=True) if y > 0)


def test_a_class_that_is_never_there_in_train_is_named() -> None:
    train, val, test = (several(n, seed) for n, seed in ((40, 0), (40, 1), (40, 2)))
    train[1][:, 2] = np.minimum(train[1][:, 2], 0)
    got = Embeddings(tuning=(tuning(*train), tuning(*val)), test=(held_out(*test),), metric=ELEVEN_POINT)
    with pytest.raises(ProtocolError, match=r"1 of 4 classes have no example in train: 'cat'"):
        LinearProbe().score(got, 0)


def test_where_it_was_solved_is_told_where_another_device_than_the_cpu_was_asked_for() -> None:
    got = embeddings()
    assert "solved_on" not in LinearProbe().score(got, 0).diagnostics
    assert LinearProbe().score(replace(got, device="cuda"), 0).diagnostics["solved_on"] == ["cpu"]  # too small to move
