"""A copy that lost every example of a class in train: probes learn the others, as if that class had never been declared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocol import Outcome, Protocol
from repbench.protocols.few_shot import FewShot
from repbench.protocols.knn import KNN
from repbench.protocols.linear_probe import LinearProbe

CLASSES = ("ant", "bee", "cat", "dog")
LOST = 1
PROTOCOLS = (LinearProbe(), KNN(), FewShot(shots=(1, 4), draws=4))


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % len(CLASSES))
    return (np.random.default_rng(9).normal(size=(4, 6))[label] + 0.7 * rng.normal(size=(n, 6))).astype(np.float32), label


def given(protocol: Protocol, lost: tuple[int, ...] = (LOST,), *, declared: bool = True, deviates: bool = True) -> Embeddings:
    """Train and val of which some classes are lost, and test; where they are not `declared`, of a dataset without them."""
    names = CLASSES if declared else tuple(name for place, name in enumerate(CLASSES) if place not in lost)
    splits = []
    for n, seed, is_test in ((80, 0, False), (40, 1, False), (120, 2, True)):
        x, label = draw(n, seed)
        kept = np.ones(n, dtype=bool) if is_test and declared else ~np.isin(label, lost)
        places = label[kept] if declared else label[kept] - sum((label[kept] > one).astype(int) for one in lost)
        splits.append((x[kept], places))
    (train, val), (x, truth) = splits[:2], splits[2]
    if isinstance(protocol, (KNN, FewShot)):
        train, val = tuple(np.concatenate(pair) for pair in zip(train, val, strict=True)), ()  # type: ignore[assignment]
    tuning = tuple(
        TuningSplit(x=x, ids=np.arange(len(x)).astype(str), columns={}, class_names=names, label=label)
        for x, label in (one for one in (train, val) if one)
    )
    test = TestSplit(x=x, ids=np.arange(len(x)).astype(str), columns={}, class_names=names, truth=truth)
    return Embeddings(tuning=tuning, test=(test,), metric="accuracy", deviates=deviates)


def by_example(outcome: Outcome, is_of: np.ndarray) -> np.ndarray:
    return outcome.examples["score"].to_numpy()[is_of]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda one: type(one).__name__)
def test_the_other_classes_are_told_apart_as_in_a_dataset_without_it_and_its_examples_are_wrong(protocol: Protocol) -> None:
    got = given(protocol)
    is_lost = got.test[0].truth == LOST
    outcome = protocol.score(got, 0)
    without = protocol.score(given(protocol, declared=False), 0)
    assert by_example(outcome, ~is_lost).tolist() == by_example(without, np.ones((~is_lost).sum(), dtype=bool)).tolist()
    assert by_example(outcome, is_lost).tolist() == [0.0] * 30
    value = outcome.metrics[outcome.primary].value
    assert value == pytest.approx(without.metrics[without.primary].value * 90 / 120)
    assert outcome.chance == pytest.approx(0.25, abs=0.01)
    assert outcome.diagnostics["absent_classes"] == ["bee"]
    assert outcome.diagnostics["warnings"] == [
        "1 of 4 classes have no example in train, so theirs of test count as wrong",
    ]
    assert "absent_classes" not in without.diagnostics


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda one: type(one).__name__)
def test_it_is_an_error_in_a_copy_that_should_be_whole_and_where_one_class_is_left(protocol: Protocol) -> None:
    with pytest.raises(ProtocolError, match=r"1 of 4 classes have no example in .*: 'bee'"):
        protocol.score(given(protocol, deviates=False), 0)
    with pytest.raises(ProtocolError, match=r"needs examples of two classes or more; .* has some of 1"):
        protocol.score(given(protocol, (0, 1, 2)), 0)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda one: type(one).__name__)
def test_where_no_class_is_lost_a_deviating_copy_is_scored_as_any_other(protocol: Protocol) -> None:
    whole = given(protocol, ())
    one, other = protocol.score(whole, 0), protocol.score(replace(whole, deviates=False), 0)
    assert one.examples.equals(other.examples)
    assert one.metrics == other.metrics


def test_examples_of_validation_of_a_class_that_train_lacks_are_wrong_and_teach_nothing() -> None:
    got = given(LinearProbe())
    train, val = got.tuning
    x, label = draw(40, 1)
    lacking = LinearProbe().score(
        replace(got, tuning=(train, replace(val, x=x, label=label, ids=np.arange(40).astype(str)))), 0
    )
    assert lacking.diagnostics["absent_classes"] == ["bee"]
    best = max(one["score"] for one in lacking.diagnostics["validation"])
    assert best == pytest.approx(max(one["score"] for one in LinearProbe().score(got, 0).diagnostics["validation"]) * 30 / 40)
