"""Fine-tuning: the whole network trained on the labels, as in SimCLR (Chen et al. 2020, B.8.1; BYOL, D.3).

20,000 steps of batch 256, SGD with Nesterov momentum 0.9, random crops and flips only; 7 learning rates from 1e-4 to 1e-1 and
7 weight decays from 1e-6 to 1e-3, or none, each divided by the learning rate. The pair that is best on validation is trained
again on train and validation together, and scored once on test. B.8.1 states no schedule: the rate falls along half a cosine,
as in Kornblith et al. 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import TrainableModel
from repbench.embeddings.trainable import Recipe, Trainable
from repbench.errors import DivergedError, ProtocolError
from repbench.measure import average_precision, classification
from repbench.outcomes import check_split, classification_outcome
from repbench.protocol import Outcome
from repbench.protocols._present import Present, present_classes

RATES, DECAYS = (1e-4, 1e-1), (1e-6, 1e-3)
WHOLE = 7  # rates of the published grid
MOST_USED = -1.5  # log10 of the rate that runs of 20 and 100 steps did best with (docs/transfer.md)


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """`grid` "7x8" is 7 learning rates times 8 weight decays, of which the first is none.

    A smaller grid holds those of the seven rates that are nearest to 0.032, the larger first: a run that is short enough for
    it learns nothing at the small ones. `smallest` is the least share of the area that a random crop keeps.
    """

    steps: int = 20_000
    batch_size: int = 256
    grid: str = "7x8"
    momentum: float = 0.9
    smallest: float = 0.08
    flip: float = 0.5
    version: ClassVar[int] = 3
    costly: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 2:
            raise ValueError(f"{self.steps} steps of batch {self.batch_size}; expected 1 or more, of 2 or more items.")
        rates, cross, decays = self.grid.partition("x")
        if not (cross and rates.isdecimal() and decays.isdecimal() and int(rates) and int(decays)):
            raise ValueError(f"grid is {self.grid!r}; write learning rates x weight decays, for example 7x8, 3x2 or 1x1.")

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: no images, a split is missing, or there is one class only."""
        if dataset.columns[dataset.medium] != "image":
            return f"fine-tuning is defined for images; {dataset.name} holds {dataset.columns[dataset.medium]}."
        missing = [split for split in ("train", "val", "test") if split not in dataset.split_names]
        if missing:
            hint = " Declare [validation] to carve one out of train." if missing == ["val"] else ""
            return f"{dataset.name} has no split {', '.join(repr(split) for split in missing)}.{hint}"
        return "" if dataset.class_count > 1 else f"{dataset.name} has one class only."

    def needs(self, dataset: DatasetDeclaration) -> tuple[TrainableModel, ...]:
        """The network, trained on train and validation, asked about test."""
        return tuple(
            TrainableModel(dataset=dataset.name, split=split, column=dataset.medium, tuning=split != "test")
            for split in ("train", "val", "test")
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, as `present_classes`, or where every pair of the grid diverges."""
        (train, val), (test,), model = got.tuning, got.test, got.model
        assert model is not None
        for split, what in ((train, "train"), (val, "val"), (test, "test")):
            check_split(split, what)
        present = present_classes(test.class_names, train.label, "train", may_lack=got.deviates)
        own = _OfPresent(model, present)
        recipes = self.recipes()
        several = len(recipes) > 1
        tried = [_validation(own, train, val, recipe, got.metric, seed) for recipe in recipes] if several else [0.0]
        recipe = recipes[_best(tried)]
        try:
            scores = own.scores((train, val), test, recipe, seed)
        except DivergedError as error:
            raise ProtocolError(f"trained again on train and validation: {error}") from error
        if not np.isfinite(scores).all():
            raise ProtocolError("the fine-tuned network gives scores on test that are NaN or infinite.")
        return classification_outcome(
            scores,
            test,
            got.metric,
            seed,
            train_label=np.concatenate([train.label, val.label]),
            diagnostics={**_diagnostics(recipes, tried, recipe), **present.diagnostics},
        )

    def recipes(self) -> tuple[Recipe, ...]:
        """One for each pair of the grid, the smaller rates and decays first."""
        rates, decays = (int(part) for part in self.grid.split("x"))
        pairs = [(rate, decay) for rate in _rates(rates) for decay in (0.0, *_spread(DECAYS, decays - 1))]
        shared = {name: getattr(self, name) for name in ("steps", "batch_size", "momentum", "smallest", "flip")}
        return tuple(Recipe(rate=rate, weight_decay=decay / rate, **shared) for rate, decay in pairs)


@dataclass(frozen=True)
class _OfPresent:
    """A `Trainable` whose classifier has the classes that are present, and whose scores are of all."""

    model: Trainable
    present: Present

    def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
        """As the network's."""
        asked = replace(ask, class_names=self.present.own_names)
        learnt = tuple(self.present.only(split) for split in on)
        return self.present.scores(self.model.scores(learnt, asked, recipe, seed))


def _best(tried: Sequence[float | None]) -> int:
    """Place of the best score; among equals the first. Raises ProtocolError where there is none."""
    finite = [(round(score, 12), -place) for place, score in enumerate(tried) if score is not None]
    if not finite:
        raise ProtocolError(f"the loss did not stay finite with any of {len(tried)} pairs of learning rate and weight decay.")
    return -max(finite)[1]


def _validation(model: Trainable, train: TuningSplit, val: TuningSplit, recipe: Recipe, metric: str, seed: int) -> float | None:
    """The metric on validation; None where the loss does not stay finite, or the scores are not."""
    try:
        scores = model.scores((train,), val, recipe, seed)
    except DivergedError:
        return None
    if not np.isfinite(scores).all():
        return None
    if val.label.ndim == 2:
        return average_precision.mean(average_precision.eleven_point(scores, val.label))
    return classification.value(metric, classification.judge(scores, val.label).credit, val.label)


def _diagnostics(recipes: Sequence[Recipe], tried: Sequence[float | None], chosen: Recipe) -> dict[str, Any]:
    pairs = [(recipe.rate, _decay(recipe)) for recipe in recipes]
    rates, decays = sorted({rate for rate, _ in pairs}), sorted({decay for _, decay in pairs})
    edges = (chosen.rate in (rates[0], rates[-1]) and len(rates) > 1, _decay(chosen) == decays[-1] and len(decays) > 1)
    return {
        "learning_rate": chosen.rate,
        "weight_decay": _decay(chosen),
        "validation": [
            {"learning_rate": rate, "weight_decay": decay, "score": score}
            for (rate, decay), score in zip(pairs, tried, strict=True)
            if len(pairs) > 1
        ],
        "diverged": sum(score is None for score in tried),
        "at_grid_edge": any(edges),
    }


def _decay(recipe: Recipe) -> float:
    """The weight decay of the grid, which a recipe holds divided by the rate."""
    return float(f"{recipe.weight_decay * recipe.rate:.6g}")


def _rates(count: int) -> list[float]:
    """The published rates, or so many of them; more are spread over the same range."""
    if count >= WHOLE:
        return _spread(RATES, count)
    nearest = sorted(_spread(RATES, WHOLE), key=lambda rate: (round(abs(np.log10(rate) - MOST_USED), 3), -rate))
    return sorted(nearest[:count])


def _spread(ends: tuple[float, float], count: int) -> list[float]:
    """So many numbers at equal ratios between two; one is the middle."""
    low, high = np.log10(ends)
    exponents = np.linspace(low, high, count) if count != 1 else [(low + high) / 2]
    return [float(f"{10**exponent:.6g}") for exponent in exponents]
