"""The pose split on embeddings of which the answer is known, and on real rotated digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import rotate
from sklearn.datasets import load_digits

from repbench.datasets.factors import Factor
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols.pose_robustness import PoseRobustness

ANGLES = np.arange(0, 360, 30)
PROTOCOL = PoseRobustness(typical=(0,))


def world(known: np.ndarray, unknown: np.ndarray, classes: int) -> Embeddings:
    """Embeddings (classes x instances, angles, dim), instances of one class next to each other, as the protocol gets them."""

    def split(x: np.ndarray, name: str) -> dict[str, Any]:
        instances = len(x)
        return {
            "x": x.reshape(-1, x.shape[2]).astype(np.float32),
            "ids": np.array([f"{name}-{i}-{a}" for i in range(instances) for a in ANGLES]),
            "columns": {
                "instance": np.repeat([f"{name}{i}" for i in range(instances)], 12),
                "azimuth": np.tile(ANGLES, instances),
            },
            "class_names": tuple("abcdefgh"[:classes]),
        }

    label, truth = (np.repeat(np.arange(classes), len(x) // classes * 12) for x in (known, unknown))
    train = split(known, "known")
    return Embeddings(
        tuning=(TuningSplit(label=label, **train),),
        test=(TestSplit(truth=truth, **split(unknown, "unknown")), TestSplit(truth=label, **train)),
        metric="mean-per-class",
    )


def draw(instances: int, invariant: bool, seed: int) -> np.ndarray:
    """Four classes far apart; unless invariant, a new pose of a class looks like the typical pose of the next class."""
    rng = np.random.default_rng(seed)
    centres = 6 * np.eye(4, 10)
    x = np.empty((4 * instances, 12, 10))
    for one in range(4 * instances):
        own = one // instances
        for place in range(12):
            shown = own if invariant or place == 0 else (own + 1) % 4
            x[one, place] = centres[shown] + rng.normal(size=10)
    return x


def test_an_invariant_encoder_loses_nothing() -> None:
    outcome = PROTOCOL.score(world(draw(6, True, 0), draw(4, True, 1), 4), 0)
    assert {name: outcome.metrics[name].value for name in ("known-new", "unknown-new", "unknown-typical", "pose-gap")} == {
        "known-new": 1, "unknown-new": 1, "unknown-typical": 1, "pose-gap": 0,
    }  # fmt: skip


def test_an_encoder_that_swaps_classes_with_the_pose_is_found_out_by_the_typical_probe() -> None:
    got = world(draw(6, False, 0), draw(4, False, 1), 4)
    outcome = PoseRobustness(typical=(0,), typical_probe=True).score(got, 0)
    assert outcome.metrics["unknown-typical"].value > 0.95
    assert outcome.metrics["unknown-new"].value < 0.05
    assert outcome.metrics["known-new"].value < 0.05
    assert outcome.metrics["pose-gap"].low > 0.8


def test_the_probe_never_sees_a_new_pose_of_a_known_instance_nor_any_unknown_one() -> None:
    """Rows that it must not see are made worthless: nothing that is fitted may change."""
    known, unknown = draw(6, True, 0), draw(4, True, 1)
    before = PROTOCOL.score(world(known, unknown, 4), 3)
    diverse = set(before.examples.query("test == 'known-new'")["cluster"])
    for one in range(len(known)):
        if f"known{one}" in diverse:  # the instances of the test: typical-only
            known[one, 1:] = 99.0
    after = PROTOCOL.score(world(known, unknown, 4), 3)
    assert after.diagnostics == before.diagnostics
    same = [outcome.examples.query("test != 'known-new'")["prediction"].tolist() for outcome in (before, after)]
    assert same[0] == same[1]


def test_raw_pixels_of_rotated_digits_fall_as_in_the_reference_run() -> None:
    """A reference run with a quarter of the instances diverse: pixels score .60 in new poses and .96 in the typical one."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    blocks: dict[str, list[np.ndarray]] = {"known": [], "unknown": []}
    for label in (0, 1, 2, 3, 4, 5):
        own = rng.permutation(np.flatnonzero(digits.target == label))[:45]
        pictures = np.stack(
            [[rotate(digits.images[one], angle, reshape=False, order=1).ravel() for angle in ANGLES] for one in own]
        )
        blocks["known"].append(pictures[:30])
        blocks["unknown"].append(pictures[30:])
    got = world(np.concatenate(blocks["known"]) / 16, np.concatenate(blocks["unknown"]) / 16, 6)
    outcome = PROTOCOL.score(got, 0)
    known_new, unknown_new, typical = (outcome.metrics[name].value for name in ("known-new", "unknown-new", "unknown-typical"))
    assert typical > 0.9
    assert 0.5 < unknown_new < 0.85
    assert abs(known_new - unknown_new) < 0.08  # pixels know no instance
    primary = outcome.examples["score"].mean()
    assert primary == pytest.approx(unknown_new)
    assert outcome.metrics["unknown-new"].low < unknown_new < outcome.metrics["unknown-new"].high


def test_the_dataset_says_which_factor_is_the_pose_and_what_is_typical_of_it() -> None:
    got = world(draw(6, True, 0), draw(4, True, 1), 4)
    yaw = Factor(kind="angle", role="style", typical=(0,))
    parts = (*got.tuning, *got.test)
    renamed = [{"instance": one.columns["instance"], "yaw": one.columns["azimuth"]} for one in parts]
    tuning, *test = (replace(one, columns=columns) for one, columns in zip(parts, renamed, strict=True))
    found = PoseRobustness().score(replace(got, tuning=(tuning,), test=tuple(test), factor={"yaw": yaw}), 0)
    assert {name: one.value for name, one in found.metrics.items() if name != "relative-drop"} == {
        name: one.value for name, one in PROTOCOL.score(got, 0).metrics.items() if name != "relative-drop"
    }


def test_what_the_split_cannot_be_made_of_is_named() -> None:
    got = world(draw(6, True, 0), draw(4, True, 1), 4)
    with pytest.raises(ProtocolError, match="typical angles 45 of 'azimuth' are none of 0, 30"):
        PoseRobustness(typical=(45,)).score(got, 0)
    with pytest.raises(ProtocolError, match="no column 'yaw'"):
        PoseRobustness(angle="yaw").score(got, 0)
    with pytest.raises(ProtocolError, match=r"each class needs two known instances, .*; 'a' has 1, 'b' has 1"):
        PROTOCOL.score(world(draw(1, True, 0), draw(4, True, 1), 4), 0)


def test_a_class_without_an_example_in_a_test_is_named_with_its_instances() -> None:
    got = world(draw(6, True, 0), draw(4, True, 1), 4)
    unknown, known = got.test
    kept = (unknown.truth != 2) | (unknown.columns["azimuth"] != 0)
    columns = {name: values[kept] for name, values in unknown.columns.items()}
    less = replace(unknown, x=unknown.x[kept], ids=unknown.ids[kept], truth=unknown.truth[kept], columns=columns)
    with pytest.raises(ProtocolError, match=r"1 classes have no example in the test 'unknown-typical': 'c' \(of 4 instances\)"):
        PROTOCOL.score(replace(got, test=(less, known)), 0)


def test_the_curve_is_the_share_right_by_degrees_from_the_typical_pose_of_all_and_of_each_class() -> None:
    outcome = PoseRobustness(typical=(330, 0)).score(world(draw(6, False, 0), draw(4, False, 1), 4), 0)
    curve = outcome.diagnostics["curve"]
    assert set(curve) == {"mean", "a", "b", "c", "d"}
    assert [point[0] for point in curve["mean"]] == [0, 30, 60, 90, 120, 150]
    rows = outcome.examples[outcome.examples.test != "known-new"]
    for at, value, low, high, n in curve["mean"]:
        own = rows[rows.angle.isin({(330 - at) % 360, at % 360})]
        assert (value, n) == (pytest.approx(own.credit.mean()), len(own))
        assert low <= value <= high
    own = rows[(rows.truth == "b") & rows.angle.isin({270, 60})]
    assert curve["b"][2][:2] == [60, pytest.approx(own.credit.mean())]


def test_of_one_instance_a_curve_has_no_interval() -> None:
    outcome = PROTOCOL.score(world(draw(6, True, 0), draw(1, True, 1), 4), 0)
    assert outcome.diagnostics["curve"]["a"][0] == [0, 1, None, None, 1]
