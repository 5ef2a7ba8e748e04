"""The equivariance probe on encoders that turn with the object, that ignore its pose, and that say nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure.equivariance import Ranked, pair_up, rank
from repbench.protocol import Outcome
from repbench.protocols.equivariance import Equivariance

ANGLES = np.arange(0, 360, 30)
Encode = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def turning(content: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Content beside two circles that turn once and twice as fast, at a radius of the object's own; then mixed."""
    radius = 1 + np.abs(content[:, :1])
    once, twice = np.deg2rad(angle)[:, None], 2 * np.deg2rad(angle)[:, None]
    parts = [content, radius * np.cos(once), radius * np.sin(once), np.cos(twice), np.sin(twice)]
    return np.concatenate(parts, axis=1) @ np.random.default_rng(1).normal(size=(8, 12))


def ignoring(content: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return content


def nearly_ignoring(content: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A regression can take back this noise, and so comes nearer to the turned view than the view before the turn is."""
    return content + 0.3 * rng.normal(size=content.shape)


def noise(content: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(len(content), 6))


def constant(content: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.full((len(content), 6), 0.3)


def world(encode: Encode, angles: np.ndarray = ANGLES, known: int = 40) -> Embeddings:
    def split(name: str, objects: int, seed: int) -> tuple[dict[str, Any], np.ndarray]:
        rng = np.random.default_rng(seed)
        content = np.repeat(rng.normal(size=(objects, 4)), len(angles), axis=0)
        angle = np.tile(angles, objects)
        own = np.repeat([f"{name}{one}" for one in range(objects)], len(angles))
        return {
            "x": encode(content, angle, rng).astype(np.float32),
            "ids": np.array([f"{one}-{a:g}" for one, a in zip(own, angle, strict=True)]),
            "columns": {"instance": own, "azimuth": angle},
            "class_names": ("thing",),
        }, np.zeros(len(own), dtype=np.int64)

    (train, label), (test, truth) = split("known", known, 0), split("unknown", 12, 1)
    return Embeddings(tuning=(TuningSplit(label=label, **train),), test=(TestSplit(truth=truth, **test),), metric="accuracy")


def values(outcome: Outcome) -> dict[str, float]:
    return {name: one.value for name, one in outcome.metrics.items()}


def test_an_encoder_that_turns_with_the_object_is_carried_exactly() -> None:
    outcome = Equivariance().score(world(turning), 0)
    found = values(outcome)
    for name in ("mrr", "linear-hit@1", "linear-r2", "lie-mrr", "lie-r2"):
        assert found[name] > 0.99, name
    assert found["identity-hit@1"] < 0.01
    assert found["blind-mrr"] < 0.5
    assert outcome.examples["score"].mean() == pytest.approx(found["mrr"])
    assert len(outcome.examples) == 12 * 12 * 11


@pytest.mark.parametrize("encode", [ignoring, constant])
def test_an_encoder_that_ignores_the_pose_does_not_look_equivariant(encode: Encode) -> None:
    outcome = Equivariance().score(world(encode), 0)
    found = values(outcome)
    assert outcome.chance == pytest.approx(np.mean(1 / np.arange(1, 13)))
    assert found["mrr"] == pytest.approx(outcome.chance)
    assert found["linear-hit@1"] == pytest.approx(1 / 12)
    assert found["linear-r2"] == found["lie-r2"] == 0
    assert outcome.diagnostics["ignores_pose"]


@pytest.mark.parametrize("encode", [nearly_ignoring, noise])
def test_noise_is_not_taken_for_equivariance(encode: Encode) -> None:
    outcome = Equivariance().score(world(encode), 0)
    found = values(outcome)
    assert abs(found["linear-r2"]) < 0.1
    assert found["mrr"] < outcome.chance + 0.02
    assert not outcome.diagnostics["ignores_pose"]


def test_the_order_of_test_does_not_matter() -> None:
    got = world(turning, known=6)
    order = np.random.default_rng(2).permutation(len(got.test[0]))
    test = got.test[0]
    shuffled = dataclasses.replace(
        test, x=test.x[order], ids=test.ids[order], columns={name: one[order] for name, one in test.columns.items()}
    )
    before, after = (Equivariance().score(dataclasses.replace(got, test=(one,)), 0) for one in (test, shuffled))
    assert values(after) == pytest.approx(values(before))


def test_ties_share_their_ranks() -> None:
    ranked = Ranked(nearer=np.array([0, 1, 0]), tied=np.array([1, 2, 4]), candidates=np.array([4, 4, 4]))
    assert ranked.reciprocal() == pytest.approx([1, (1 / 2 + 1 / 3) / 2, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4])
    assert ranked.hit(2) == pytest.approx([1, 0.5, 0.5])
    assert ranked.chance() == pytest.approx([25 / 48] * 3)


def test_ranks_by_hand() -> None:
    z = np.array([[0.0], [1.0], [3.0]])
    pairs = pair_up(np.array(["a", "a", "a"]), np.array([0, 120, 240]))
    place = int(np.flatnonzero((pairs.before == 0) & (pairs.after == 2))[0])
    predicted = np.zeros((len(pairs.before), 1))
    predicted[place] = 1.4
    ranked = rank(predicted, z, np.array(["a", "a", "a"]), pairs)
    assert (ranked.nearer[place], ranked.tied[place], ranked.candidates[place]) == (2, 1, 3)
    assert (pairs.step, pairs.turns, len(pairs.before)) == (120, 3, 6)


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        (np.zeros(1), "the angle is constant"),
        (np.array([0, 7, 19.3, 200]), "lie on no grid"),
        (np.array([0, 90, 90]), "two pictures of one object have one angle"),
    ],
)
def test_angles_that_make_no_turns_are_named(angles: np.ndarray, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        Equivariance().score(world(turning, angles), 0)


def test_what_is_missing_is_named() -> None:
    got = world(turning)
    with pytest.raises(ProtocolError, match="no column 'yaw'; there are azimuth, instance"):
        Equivariance(angle="yaw").score(got, 0)
    with pytest.raises(ProtocolError, match="train has 1 object"):
        Equivariance().score(world(turning, known=1), 0)
    got.test[0].x[0] = np.nan
    with pytest.raises(ProtocolError, match="NaN"):
        Equivariance().score(got, 0)
