"""A copy that lost every example of a class in train, asked by other protocols than probes, and where images have several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from repbench.datasets.declaration import ELEVEN_POINT
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.trainable import Recipe
from repbench.errors import ProtocolError
from repbench.protocol import Protocol
from repbench.protocols.calibration import Calibration
from repbench.protocols.fine_tune import FineTune
from repbench.protocols.groups import Groups
from repbench.protocols.linear_probe import LinearProbe
from repbench.protocols.ood import Ood
from tests.protocols.test_present import CLASSES, LOST, by_example, given


class Regressed:
    """A `Trainable` that is scikit-learn's regression, whose scores must be of the classes that it was taught, in order."""

    def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
        label = np.concatenate([split.label for split in on])
        assert np.unique(label).tolist() == list(range(len(ask.class_names)))
        fitted = LogisticRegression(C=1 / recipe.rate).fit(np.concatenate([split.x for split in on]), label)
        return fitted.decision_function(ask.x).astype(np.float32)


def ready(protocol: Protocol, **options: bool) -> Embeddings:
    """What a protocol is given: a network for fine-tuning, two groups of test for the worst of them."""
    got = given(protocol, **options)
    halves = np.where(np.arange(len(got.test[0])) % 2, "left", "right")
    test = replace(got.test[0], columns={"half": halves})
    return replace(got, test=(test,), factors=("half",), model=Regressed(), reported=("test",))


@pytest.mark.parametrize("protocol", [Groups(), FineTune(grid="3x1")], ids=["groups", "fine-tune"])
def test_the_others_are_told_apart_as_in_a_dataset_without_it_and_its_examples_are_wrong(protocol: Protocol) -> None:
    got, without = ready(protocol), protocol.score(ready(protocol, declared=False), 0)
    is_lost, outcome = got.test[0].truth == LOST, protocol.score(got, 0)
    assert by_example(outcome, ~is_lost).tolist() == without.examples["score"].tolist()
    assert by_example(outcome, is_lost).tolist() == [0.0] * 30
    assert outcome.diagnostics["absent_classes"] == ["bee"]
    assert outcome.diagnostics["warnings"] == ["1 of 4 classes have no example in train, so theirs of test count as wrong"]


@pytest.mark.parametrize(
    "protocol", [Groups(), FineTune(grid="3x1"), Calibration()], ids=["groups", "fine-tune", "calibration"]
)
def test_in_a_copy_that_should_be_whole_it_is_an_error_and_a_whole_one_that_deviates_is_scored_as_any(
    protocol: Protocol,
) -> None:
    with pytest.raises(ProtocolError, match="1 of 4 classes have no example in train: 'bee'"):
        protocol.score(ready(protocol, deviates=False), 0)
    whole = replace(ready(protocol), tuning=given(protocol, ()).tuning)
    one, other = protocol.score(whole, 0), protocol.score(replace(whole, deviates=False), 0)
    assert one.examples.equals(other.examples)
    assert (one.metrics, one.chance, one.diagnostics) == (other.metrics, other.chance, other.diagnostics)


def test_calibration_gives_a_class_that_it_could_not_learn_no_probability() -> None:
    got, without = ready(Calibration()), Calibration().score(ready(Calibration(), declared=False), 0)
    is_lost, outcome = got.test[0].truth == LOST, Calibration().score(got, 0)
    assert outcome.diagnostics["temperature"] == pytest.approx(without.diagnostics["temperature"])
    known, lost = outcome.examples[~is_lost], outcome.examples[is_lost]
    assert known["score"].to_numpy() == pytest.approx(without.examples["score"].to_numpy(), abs=1e-9)
    assert (lost["score"] >= 1 + 1 / 3).all()  # 1 for the class itself, and the squares of three that add up to 1
    assert (lost["credit"] == 0).all()
    assert outcome.diagnostics["absent_classes"] == ["bee"]


def test_an_encoder_that_says_nothing_is_still_calibrated_as_the_stated_chance() -> None:
    got = ready(Calibration())
    tuning = tuple(replace(split, x=np.ones_like(split.x)) for split in got.tuning)
    outcome = Calibration().score(replace(got, tuning=tuning, test=(replace(got.test[0], x=np.ones_like(got.test[0].x)),)), 0)
    assert outcome.chance is not None
    assert outcome.metrics["brier-after"].value == pytest.approx(outcome.chance, abs=1e-9)
    assert outcome.chance == pytest.approx(3 / 4 * 2 / 3 + 1 / 4 * 4 / 3, abs=0.01)  # a third for each of three of four classes


def test_without_a_split_of_foreign_ones_those_are_held_out_that_a_whole_copy_holds_out_and_the_lost_are_foreign_too() -> None:
    whole = Ood().score(replace(ready(Ood()), tuning=given(Ood(), ()).tuning), 0)
    found = Ood().score(ready(Ood()), 0)
    truth = np.array(CLASSES)[ready(Ood()).test[0].truth]
    foreign = {name: set(truth[one.examples["foreign"].to_numpy()]) for name, one in (("whole", whole), ("lost", found))}
    assert len(foreign["whole"]) == 1
    assert foreign["lost"] == foreign["whole"] | {"bee"}
    assert found.diagnostics["absent_classes"] == ["bee"]
    assert "absent_classes" not in whole.diagnostics
    split = Ood().score(replace(ready(Ood()), reported=("test", "ood")), 0)  # then the classes of train are those that it has
    assert set(truth[split.examples["foreign"].to_numpy()]) == {"bee"}
    assert "absent_classes" not in split.diagnostics


def several(lost: int | None, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of four classes, of which an example can have several; nothing has the class that is lost."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    label = np.where(x @ np.random.default_rng(9).normal(size=(6, 4)) + rng.normal(size=(n, 4)) > 1, 1, -1).astype(np.int8)
    if lost is not None:
        label[:, lost] = -1
    return x, label


def of_several(places: Sequence[int], *, deviates: bool = True) -> Embeddings:
    """Train and validation without a class, test with it; of the classes at `places` alone."""
    names = tuple(CLASSES[place] for place in places)
    shared = {"columns": {}, "class_names": names}
    tuning = []
    for n, seed in ((150, 0), (90, 1)):
        x, label = several(LOST, n, seed)
        tuning.append(TuningSplit(x=x, label=label[:, places], ids=np.arange(n).astype(str), **shared))  # type: ignore[arg-type]
    x, truth = several(None, 200, 2)
    test = TestSplit(x=x, truth=truth[:, places], ids=np.arange(200).astype(str), **shared)  # type: ignore[arg-type]
    return Embeddings(tuning=tuple(tuning), test=(test,), metric=ELEVEN_POINT, deviates=deviates)


def test_of_several_classes_an_image_the_others_are_fitted_as_ever_and_the_lost_one_has_the_precision_of_guessing() -> None:
    outcome = LinearProbe().score(of_several(range(4)), 0)
    without = LinearProbe().score(of_several([0, 2, 3]), 0)
    for name in ("ant", "cat", "dog"):
        assert outcome.examples[f"score of {name}"].tolist() == without.examples[f"score of {name}"].tolist()
    guessed = outcome.examples["score of bee"].to_numpy()
    truth = of_several(range(4)).test[0].truth[:, LOST] > 0
    assert np.ptp(guessed) == 0
    for metric in (outcome.primary, "mean-average-precision"):
        share = average_precision_score(truth, guessed)
        assert outcome.metrics[metric].value == pytest.approx((3 * without.metrics[metric].value + share) / 4)
    assert outcome.diagnostics["absent_classes"] == ["bee"]
    assert outcome.diagnostics["warnings"] == [
        "1 of 4 classes have no example in train, so these score the same for every image",
    ]
    with pytest.raises(ProtocolError, match="1 of 4 classes have no example in train: 'bee'"):
        LinearProbe().score(of_several(range(4), deviates=False), 0)


def test_fine_tuning_of_several_classes_an_image_is_not_taught_the_lost_one() -> None:
    class Taught(Regressed):
        def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
            assert [split.label.shape[1] for split in on] == [3] * len(on)
            assert ask.class_names == ("ant", "cat", "dog")
            return np.array(ask.x[:, :3])

    outcome = FineTune(grid="2x1").score(replace(of_several(range(4)), model=Taught()), 0)
    assert outcome.diagnostics["absent_classes"] == ["bee"]
    assert np.ptp(outcome.examples["score of bee"].to_numpy()) == 0
