"""Fine-tuning as a protocol: SimCLR's grid, chosen on validation, trained again on train and validation; and its tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.trainable import Recipe
from repbench.errors import DivergedError, ProtocolError, UsageError
from repbench.protocols.fine_tune import FineTune
from repbench.tasks import load_catalogue


def test_the_grid_is_that_of_simclr() -> None:
    recipes = FineTune().recipes()
    assert len(recipes) == 56
    assert {(one.steps, one.batch_size, one.momentum) for one in recipes} == {(20_000, 256, 0.9)}
    rates = sorted({one.rate for one in recipes})
    assert rates == pytest.approx(np.logspace(-4, -1, 7), rel=1e-5)
    for rate in rates:
        decays = [one.weight_decay for one in recipes if one.rate == rate]
        assert decays == pytest.approx([0.0, *np.logspace(-6, -3, 7) / rate], rel=1e-5)


@pytest.mark.parametrize(
    ("grid", "exponents"),
    [
        ("1x1", [-1.5]),
        ("2x1", [-1.5, -1]),
        ("3x1", [-2, -1.5, -1]),
        ("4x1", [-2.5, -2, -1.5, -1]),
        ("13x1", np.arange(-4, -0.9, 0.25)),
    ],
)
def test_a_smaller_grid_has_published_rates_that_a_short_run_learns_at(grid: str, exponents: Sequence[float]) -> None:
    found = [one.rate for one in FineTune(grid=grid).recipes()]
    assert found == pytest.approx([10**one for one in exponents], rel=1e-5)


def test_fewer_decays_span_the_same_range() -> None:
    assert [one.weight_decay for one in FineTune(grid="1x1").recipes()] == [0.0]
    two = FineTune(grid="2x2").recipes()
    assert [one.weight_decay * one.rate for one in two] == pytest.approx([0, 10**-4.5] * 2)


@pytest.mark.parametrize("grid", ["7", "0x8", "7x", "axb", "7x8x9", "-1x2"])
def test_a_grid_that_is_none_is_refused_with_an_example(grid: str) -> None:
    with pytest.raises(ValueError, match="for example 7x8"):
        FineTune(grid=grid)


class Scripted:
    """A network whose scores depend on the rate as the test says; it notes what was asked of it."""

    def __init__(self, share: dict[float, float]) -> None:
        self.share, self.asked = share, list[tuple[list[int], int, float]]()

    def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
        self.asked.append(([len(split) for split in on], len(ask), recipe.rate))
        if recipe.rate not in self.share:
            raise DivergedError("the loss is nan")
        truth = ask.label if isinstance(ask, TuningSplit) else ask.truth
        wrong = np.arange(len(ask)) >= self.share[recipe.rate] * len(ask)
        return np.eye(2, dtype=np.float32)[np.where(wrong, 1 - truth, truth)]


def asked(model: Scripted) -> Embeddings:
    def rows(count: int) -> dict[str, object]:
        return {
            "x": np.arange(count)[:, None],
            "ids": np.arange(count).astype(str),
            "columns": {},
            "class_names": ("a", "b"),
        }

    train, val = (TuningSplit(label=np.arange(n) % 2, **rows(n)) for n in (30, 20))  # type: ignore[arg-type]
    return Embeddings(
        tuning=(train, val),
        test=(TestSplit(truth=np.arange(10) % 2, **rows(10)),),  # type: ignore[arg-type]
        metric="accuracy",
        model=model,
    )


def test_the_best_on_validation_is_trained_again_on_train_and_validation_and_asked_once_about_test() -> None:
    rates = [one.rate for one in FineTune(grid="3x1").recipes()]
    model = Scripted({rates[0]: 0.6, rates[1]: 0.8})  # the highest diverges
    outcome = FineTune(grid="3x1").score(asked(model), 0)
    assert model.asked == [*(([30], 20, rate) for rate in rates), ([30, 20], 10, rates[1])]
    assert outcome.metrics["accuracy"].value == pytest.approx(0.8)
    assert outcome.diagnostics["learning_rate"] == rates[1]
    assert outcome.diagnostics["diverged"] == 1
    assert not outcome.diagnostics["at_grid_edge"]


def test_of_one_pair_nothing_is_chosen() -> None:
    rate = FineTune(grid="1x1").recipes()[0].rate
    model = Scripted({rate: 1.0})
    FineTune(grid="1x1").score(asked(model), 0)
    assert model.asked == [([30, 20], 10, rate)]


def test_a_grid_that_diverges_everywhere_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="any of 6 pairs"):
        FineTune(grid="3x2").score(asked(Scripted({})), 0)


def test_costly_tasks_have_to_be_meant() -> None:
    catalogue = load_catalogue()
    assert "fine-tune/fashion" in catalogue.tasks
    for pattern in ("*", "*/fashion", "*/*"):
        assert not [task.name for task in catalogue.select_here([pattern]) if task.costly]
    for pattern in ("fine-tune/fashion", "fine-tune/*", "fine-*/fashion"):
        assert "fine-tune/fashion" in [task.name for task in catalogue.select_here([pattern])]
    both = [task.name for task in catalogue.select_here(["knn/fashion", "fine-tune/fashion"])]
    assert both == ["fine-tune/fashion", "knn/fashion"]


def test_a_smaller_run_is_another_task_with_a_name_for_it() -> None:
    task = load_catalogue().tasks["fine-tune/fashion"]
    small = task.with_options({"steps": 200, "grid": "1x1", "stop_rule": "sklearn"})
    assert small.digest != task.digest
    assert small.told == ("grid=1x1", "steps=200")
    assert task.with_options({"steps": None, "grid": "7x8"}) == task
    with pytest.raises(UsageError, match="fine-tune/fashion: grid is 'none'"):
        task.with_options({"grid": "none"})
