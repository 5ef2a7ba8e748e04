"""Factors read from embeddings of which it is known what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.factors import Factor
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocol import Outcome
from repbench.protocols.identifiability import Identifiability

FACTORS = {
    "size": Factor(kind="number", role="content"),
    "turn": Factor(kind="angle", role="style"),
    "light": Factor(kind="category", role="style"),
    "object": Factor(kind="category", role="content", within=True),
}
SIZES = {"train": 300, "val": 100, "test": 200}
Encode = Callable[[dict[str, np.ndarray], np.ndarray], np.ndarray]


def columns(split: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(list(SIZES).index(split))
    n = SIZES[split]
    return {
        "size": rng.normal(size=n),
        "turn": rng.uniform(0, 360, n),
        "light": np.array(["dim", "day", "neon"])[rng.integers(3, size=n)],
        "object": np.array([f"{split}{one}" for one in rng.integers(5, size=n)]),
    }


def all_of_it(given: dict[str, np.ndarray], label: np.ndarray) -> np.ndarray:
    """One dimension or block for each factor."""
    angle = np.deg2rad(given["turn"])
    lights = [given["light"] == name for name in ("dim", "day", "neon")]
    objects = [np.char.endswith(given["object"], str(one)) for one in range(5)]
    classes = [label == one for one in range(4)]
    return np.stack([given["size"], np.cos(angle), np.sin(angle), *lights, *objects, *classes], axis=1).astype(float)


def noise(given: dict[str, np.ndarray], label: np.ndarray) -> np.ndarray:
    return np.random.default_rng(len(label)).normal(size=(len(label), 12))


def constant(given: dict[str, np.ndarray], label: np.ndarray) -> np.ndarray:
    return np.full((len(label), 12), 0.1)


def world(encode: Encode, change: Callable[[dict[str, np.ndarray]], Any] = dict) -> Embeddings:
    def split(name: str) -> tuple[dict[str, Any], np.ndarray]:
        given = columns(name)
        label = np.random.default_rng(9 + len(given["size"])).integers(4, size=SIZES[name])
        x = encode(given, label).astype(np.float32)
        ids = np.array([f"{name}{place}" for place in range(len(label))])
        return {"x": x, "ids": ids, "columns": change(given), "class_names": ("a", "b", "c", "d")}, label

    (train, y), (val, v), (test, t) = (split(name) for name in SIZES)
    return Embeddings(
        tuning=(TuningSplit(label=y, **train), TuningSplit(label=v, **val)),
        test=(TestSplit(truth=t, **test), TestSplit(truth=y, **train)),
        metric="accuracy",
        factor=FACTORS,
    )


def values(outcome: Outcome) -> dict[str, float]:
    return {name: one.value for name, one in outcome.metrics.items()}


def test_an_embedding_that_holds_every_factor_scores_one() -> None:
    outcome = Identifiability().score(world(all_of_it), 0)
    found = values(outcome)
    for name in ("class", "size", "turn", "light", "object"):
        assert found[f"linear-{name}"] > 0.99, name
        assert found[f"kernel-{name}"] > 0.9, name
    assert found["linear-content"] > 0.99
    assert found["linear-style"] > 0.99
    assert found["disentanglement"] > 0.95
    assert outcome.examples["score"].mean() == pytest.approx(found["content"])
    assert outcome.diagnostics["roles"]["class"] == "content"


@pytest.mark.parametrize("encode", [noise, constant])
def test_an_embedding_that_holds_nothing_scores_chance(encode: Encode) -> None:
    outcome = Identifiability().score(world(encode), 0)
    for name in ("content", "style", "linear-content", "linear-style"):
        estimate = outcome.metrics[name]
        assert estimate.low - 0.02 <= 0 <= estimate.high + 0.02, name
    assert outcome.diagnostics["collapsed"] == (encode is constant)
    assert ("disentanglement" in outcome.metrics) == (encode is not constant)


def test_a_rotation_keeps_what_is_read_and_entangles_it() -> None:
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(15, 15)))[0]
    plain, rotated = (
        values(Identifiability().score(world(one), 0))
        for one in (all_of_it, lambda given, label: all_of_it(given, label) @ turn)
    )
    assert rotated["linear-content"] > 0.97
    assert rotated["disentanglement"] < plain["disentanglement"] - 0.3


def test_what_only_a_curve_reads_the_kernel_reads() -> None:
    def squared(given: dict[str, np.ndarray], label: np.ndarray) -> np.ndarray:
        return np.stack([given["size"] ** 2, np.sign(given["size"]), noise(given, label)[:, 0]], axis=1)

    found = values(Identifiability().score(world(squared), 0))
    assert found["kernel-size"] > 0.9
    assert found["linear-size"] < 0.8


def test_the_truth_of_test_changes_no_choice_and_order_does_not_matter() -> None:
    got = world(all_of_it)
    order = np.random.default_rng(5).permutation(SIZES["test"])
    test = got.test[0]
    shuffled = dataclasses.replace(
        test,
        x=test.x[order],
        ids=test.ids[order],
        truth=test.truth[order],
        columns={name: one[order] for name, one in test.columns.items()},
    )
    lied = dataclasses.replace(test, columns={name: one[order] for name, one in test.columns.items()}, truth=test.truth[order])
    before, same, other = (
        Identifiability().score(dataclasses.replace(got, test=(one, got.test[1])), 1) for one in (test, shuffled, lied)
    )
    assert values(same) == pytest.approx(values(before))
    assert before.diagnostics["chosen"] == same.diagnostics["chosen"] == other.diagnostics["chosen"]


def drop_size(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: one for name, one in given.items() if name != "size"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_size, "no column 'size'; there are light, object, turn"),
        (lambda given: given | {"light": np.full(len(given["size"]), "day")}, "'light' is constant"),
        (
            lambda given: given | {"light": given["size"]},
            "declared a category and has 300 values in 300 rows: is it continuous",
        ),
        (lambda given: given | {"size": given["light"]}, "'size' is declared a number and holds text"),
        (lambda given: given | {"size": np.full(len(given["size"]), np.nan)}, "'size' is NaN or infinite in 300 rows"),
        (
            lambda given: given | {"light": np.where(len(given["size"]) == 200, "new", given["light"])},
            "1 values of the factor 'light' are not in train: 'new'",
        ),
    ],
)
def test_a_factor_that_cannot_be_read_is_named(change: Callable[[dict[str, np.ndarray]], Any], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        Identifiability().score(world(all_of_it, change), 0)


def test_values_that_are_not_finite_are_refused() -> None:
    got = world(all_of_it)
    got.tuning[1].x[3] = np.nan
    with pytest.raises(ProtocolError, match="NaN"):
        Identifiability().score(got, 0)


def test_a_declaration_says_what_its_factors_are() -> None:
    facts: dict[str, Any] = {
        "name": "toy", "family": "f", "title": "Toy", "metric": "accuracy", "classes": 2,
        "splits": {"train": 9, "val": 9, "test": 9}, "sources": {"folder": {}}, "factors": ("size",),
    }  # fmt: skip
    plain = DatasetDeclaration(**facts)
    assert Identifiability().fits(plain) == "toy declares no [factor.NAME] as content or style."
    told = DatasetDeclaration(**facts, factor={"size": Factor(kind="number", role="style")})
    assert Identifiability().fits(told) == ""
    assert plain.digest != told.digest
    with pytest.raises(ValueError, match=r"none of the factors\. Did you mean 'size'"):
        DatasetDeclaration(**facts, factor={"sise": Factor(kind="number", role="style")})
    with pytest.raises(ValueError, match="kind is 'colour'; expected one of category, number, angle"):
        Factor(kind="colour", role="style")
