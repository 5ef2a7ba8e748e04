"""What pose-robustness derives, against other ways to the same numbers: pandas, scikit-learn, and runs with other options."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, balanced_accuracy_score, r2_score

from repbench.digests import digest_json
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols.pose_robustness import PoseRobustness
from repbench.tasks import load_catalogue

ANGLES = np.arange(0, 360, 30)
CLASSES, LIGHTS = 4, 2
PROTOCOL = PoseRobustness(typical=(0, 30), shares=(0.5, 0.75))


def split(name: str, instances: int, seed: int, lights: int) -> tuple[dict[str, object], np.ndarray]:
    """Embeddings of instances around their class, moved by the pose, each pose seen under so many lights."""
    rng = np.random.default_rng(seed)
    rows = [(c, i, a, v) for c in range(CLASSES) for i in range(instances) for a in ANGLES for v in range(lights)]
    label = np.array([row[0] for row in rows])
    own = rng.normal(size=(CLASSES * instances, 6))[label * instances + [row[1] for row in rows]]
    turn = np.deg2rad([row[2] for row in rows])
    moved = np.stack([np.cos(turn), np.sin(turn)], axis=1) * (1 + label[:, None])
    x = np.concatenate([1.5 * np.eye(CLASSES)[label], own, moved], axis=1) + 0.6 * rng.normal(size=(len(rows), 12))
    shared = {
        "x": x.astype(np.float32),
        "ids": np.array([f"{name}-{'-'.join(map(str, row))}" for row in rows]),
        "columns": {
            "instance": np.array([f"{name} {row[0]} {row[1]}" for row in rows]),
            "azimuth": np.array([row[2] for row in rows]),
        },
        "class_names": tuple("abcd"),
    }
    return shared, label


def asked(lights: int = LIGHTS) -> Embeddings:
    (known, label), (unknown, truth) = split("known", 6, 0, lights), split("unknown", 3, 1, lights)
    return Embeddings(
        tuning=(TuningSplit(label=label, **known),),  # type: ignore[arg-type]
        test=(TestSplit(truth=truth, **unknown), TestSplit(truth=label, **known)),  # type: ignore[arg-type]
        metric="mean-per-class",
    )


OUTCOME = PROTOCOL.score(asked(), 0)
VALUE = {name: one.value for name, one in OUTCOME.metrics.items()}
ROWS = OUTCOME.examples


def balanced(rows: pd.DataFrame) -> float:
    return float(balanced_accuracy_score(rows.truth, rows.prediction))


def test_accuracies_of_tests_and_controls_are_the_balanced_ones_of_the_examples() -> None:
    assert {name: balanced(ROWS[ROWS.test == name]) for name in set(ROWS.test)} == pytest.approx(
        {name: VALUE[name] for name in ("known-new", "unknown-new", "unknown-typical", "known-typical", "diverse-new")}
    )
    assert VALUE["unknown-any"] == pytest.approx(balanced(ROWS[ROWS.test.str.startswith("unknown")]))


def test_gaps_are_differences_and_lie_in_their_intervals() -> None:
    gaps = {
        "pose-gap": ("unknown-typical", "unknown-new"),
        "known-pose-gap": ("known-typical", "known-new"),
        "instance-gap": ("known-new", "unknown-new"),
        "typical-instance-gap": ("known-typical", "unknown-typical"),
    }
    assert {name: VALUE[name] for name in gaps} == pytest.approx({name: VALUE[a] - VALUE[b] for name, (a, b) in gaps.items()})
    assert VALUE["relative-drop"] == pytest.approx(1 - (VALUE["unknown-new"] - 0.25) / (VALUE["unknown-typical"] - 0.25))
    for name, one in OUTCOME.metrics.items():
        assert one.low <= one.value <= one.high or (name == "variation-transfer" and np.isnan(one.low)), name


def test_controls_are_pictures_kept_from_the_probe_of_poses_of_which_it_sees_another() -> None:
    assert OUTCOME.diagnostics["controls"] == "pictures kept from the probe"
    got = asked()
    (train,), own = got.tuning, ROWS[ROWS.test.isin(["known-typical", "diverse-new"])]
    assert set(own[own.test == "known-typical"].angle) <= {0, 30}
    assert set(own[own.test == "known-typical"].cluster) == set(ROWS[ROWS.test == "known-new"].cluster)
    assert not set(own[own.test == "diverse-new"].cluster) & set(ROWS[ROWS.test == "known-new"].cluster)
    kept = np.isin(train.ids, own.id)
    cells = pd.Series(kept).groupby([train.columns["instance"], train.columns["azimuth"]]).agg(["sum", "size"])
    assert cells["sum"].max() == 1 < cells["size"].min()  # of each pose of an instance a picture remains
    x = train.x.copy()
    x[kept] = 1e3  # what is kept from the probe changes nothing but its own prediction
    moved = PROTOCOL.score(replace(got, tuning=(replace(train, x=x),)), 0).examples
    same = moved.test.isin(["known-typical", "diverse-new"])
    assert moved[same].prediction.tolist() == own.prediction.tolist()


def test_where_a_pose_has_one_picture_the_controls_are_what_was_fitted_and_say_so() -> None:
    outcome = PROTOCOL.score(asked(lights=1), 0)
    assert outcome.diagnostics["controls"] == "pictures that the probe was fitted on: one picture a pose"
    assert outcome.metrics["diverse-new"].value > outcome.metrics["known-new"].value


def test_what_the_typical_probe_scores_is_what_a_run_with_it_scores_and_the_zero_of_the_variation_transfer() -> None:
    alone = replace(PROTOCOL, typical_probe=True).score(asked(), 0)
    names = ("known-new", "unknown-new", "unknown-typical")
    zero = {name: alone.metrics[name].value for name in names}
    assert {name: VALUE[f"typical-probe-{name}"] for name in names} == pytest.approx(zero)
    transfer = (VALUE["known-new"] - zero["known-new"]) / (VALUE["diverse-new"] - zero["known-new"])
    assert VALUE["variation-transfer"] == pytest.approx(transfer)


def test_the_area_by_share_is_that_under_runs_with_other_shares() -> None:
    runs = {0.0: replace(PROTOCOL, diverse=0.0), 1 / 3: PROTOCOL, 0.5: replace(PROTOCOL, diverse=0.5)}
    runs[2 / 3] = replace(PROTOCOL, diverse=2 / 3)  # .75 of six instances are four: round half to even
    found = {share: one.score(asked(), 0).metrics["known-new"].value for share, one in runs.items()}
    assert {at: value for at, value, _, _ in OUTCOME.diagnostics["by_share"]} == pytest.approx(found)
    assert VALUE["known-new-area"] == pytest.approx(auc(list(found), list(found.values())) / (2 / 3))


def test_the_worst_pose_the_area_by_angle_and_consistency_are_those_of_the_examples() -> None:
    unknown = ROWS[ROWS.test.str.startswith("unknown")]
    by_pose = [balanced(part) for _, part in unknown.groupby("angle")]
    assert VALUE["worst-pose"] == pytest.approx(min(by_pose))
    assert VALUE["worst-pose-gap"] == pytest.approx(np.mean(by_pose) - min(by_pose))
    away = np.minimum(*(abs((unknown.angle - one + 180) % 360 - 180) for one in (0, 30)))
    curve = {at: balanced(part) for at, part in unknown.groupby(away)}
    assert VALUE["angle-area"] == pytest.approx(auc(list(curve), list(curve.values())) / max(curve))
    assert VALUE["consistency"] == pytest.approx((unknown.groupby("cluster").prediction.nunique() == 1).mean())


def test_the_variance_within_instances_is_what_their_means_leave_unexplained() -> None:
    unknown = asked().test[0]
    means = pd.DataFrame(unknown.x.astype(float)).groupby(unknown.columns["instance"]).transform("mean")
    explained = r2_score(unknown.x.astype(float), means, multioutput="variance_weighted")
    assert VALUE["variance-within"] == pytest.approx(1 - explained, abs=1e-6)


def test_of_barred_poses_the_probe_sees_none_and_has_tests_of_their_own() -> None:
    never = (150, 180, 210)
    got = asked()
    outcome = replace(PROTOCOL, never=never).score(got, 0)
    rows = outcome.examples
    for name in ("known-never", "unknown-never", "known-new", "unknown-new"):
        part = rows[rows.test == name]
        assert set(part.angle) == (set(never) if name.endswith("never") else set(ANGLES) - {*never, 0, 30})
        assert outcome.metrics[name].value == pytest.approx(balanced(part))
    gap = outcome.metrics["unknown-new"].value - outcome.metrics["unknown-never"].value
    assert outcome.metrics["never-gap"].value == pytest.approx(gap)
    # what the probe sees of train is all that is left when barred poses are taken out of it by hand
    (train,) = got.tuning
    seen = ~np.isin(train.columns["azimuth"], never)
    by_hand = PROTOCOL.score(replace(got, tuning=(train.take(seen),), test=(got.test[0], got.test[1].take(seen))), 0)
    assert outcome.metrics["known-new"].value == pytest.approx(by_hand.metrics["known-new"].value)
    assert outcome.metrics["unknown-any"].value == pytest.approx(by_hand.metrics["unknown-any"].value)


@pytest.mark.parametrize(
    ("never", "words"), [((30.0,), "never=30 of 'azimuth' is a typical"), ((45.0,), "is none of its angles")]
)
def test_poses_that_cannot_be_barred_are_named(never: tuple[float, ...], words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        replace(PROTOCOL, never=never).score(asked(), 0)


def test_an_option_that_is_empty_and_by_default_so_leaves_the_task_what_it_was() -> None:
    task = load_catalogue().tasks["pose-robustness/furniture"]
    before = {name: value for name, value in task.options.items() if name != "never"}
    facts = (task.protocol_name, task.protocol.version, digest_json(before), task.dataset.digest)
    assert task.digest == digest_json([*facts])
    assert replace(task, protocol=replace(PROTOCOL, never=(180,))).digest != replace(task, protocol=PROTOCOL).digest
    assert replace(task, protocol=replace(PROTOCOL, shares=())).digest != replace(task, protocol=PROTOCOL).digest
