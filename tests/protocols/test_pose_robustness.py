"""The pose split on embeddings of which the answer is known, and on real rotated digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import rotate, zoom
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from repbench.datasets.factors import Factor
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols import _probe
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
    fitted = [{name: one for name, one in outcome.diagnostics.items() if name != "by_share"} for outcome in (before, after)]
    assert fitted[0] == fitted[1]
    same = [outcome.examples.query("test != 'known-new'")["prediction"].tolist() for outcome in (before, after)]
    assert same[0] == same[1]


def rotated_digits(instances: int, unknown: int) -> Embeddings:
    """The reference run's digits, without 6 and 9: 24 x 24 pixels, turned by 30 degrees, standardised."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    blocks: dict[str, list[np.ndarray]] = {"known": [], "unknown": []}
    for label in (0, 1, 2, 3, 4, 5, 7, 8):
        own = rng.permutation(np.flatnonzero(digits.target == label))[: instances + unknown]
        large = zoom(np.pad(digits.images[own], ((0, 0), (2, 2), (2, 2))), (1, 2, 2), order=1)
        turned = [rotate(large, angle, axes=(2, 1), reshape=False, order=1) for angle in ANGLES]
        flat = np.stack(turned, axis=1).reshape(len(own), len(ANGLES), -1)
        blocks["known"].append(flat[:instances])
        blocks["unknown"].append(flat[instances:])
    known, other = (np.concatenate(one) for one in blocks.values())
    scale = StandardScaler().fit(known.reshape(-1, known.shape[2]))
    return world(*(scale.transform(one.reshape(-1, one.shape[2])).reshape(one.shape) for one in (known, other)), 8)


def test_rotated_digits_score_as_in_the_reference_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw pixels, 20 of 80 known instances a class diverse, by scikit-learn at C = .01: its figures lie in our intervals."""
    monkeypatch.setattr(_probe, "STRENGTHS", (100.0,))  # 1 / C
    outcome = PoseRobustness(typical=(0,), diverse=0.25, shares=(0.5,)).score(rotated_digits(80, 40), 0)
    for name, value in {"known-new": 0.599, "unknown-new": 0.600, "unknown-typical": 0.956, "pose-gap": 0.356}.items():
        assert outcome.metrics[name].low <= value <= outcome.metrics[name].high, name
    none, quarter, half = outcome.diagnostics["by_share"]
    assert [one[0] for one in (none, quarter, half)] == [0, 0.25, 0.5]
    assert half[2] <= 0.690 <= half[3]
    assert none[1] < 0.3 < 0.95 < outcome.metrics["known-typical"].value  # .189 and .985 there
    assert outcome.metrics["instance-gap"].value == pytest.approx(0, abs=0.02)  # pixels know no instance
    assert outcome.examples["score"].mean() == pytest.approx(outcome.metrics["unknown-new"].value)


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
    rows = outcome.examples[outcome.examples.test.str.startswith("unknown")]
    for at, value, low, high, n in curve["mean"]:
        own = rows[rows.angle.isin({(330 - at) % 360, at % 360})]
        assert (value, n) == (pytest.approx(own.credit.mean()), len(own))
        assert low <= value <= high
    own = rows[(rows.truth == "b") & rows.angle.isin({270, 60})]
    assert curve["b"][2][:2] == [60, pytest.approx(own.credit.mean())]


def test_of_one_instance_a_curve_has_no_interval() -> None:
    outcome = PROTOCOL.score(world(draw(6, True, 0), draw(1, True, 1), 4), 0)
    assert outcome.diagnostics["curve"]["a"][0] == [0, 1, None, None, 1]
