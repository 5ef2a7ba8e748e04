"""From a factor's column to what a regression is fitted to, and from predictions to what each example adds to a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repbench.datasets.factors import Factor
from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure import classification
from repbench.measure.explained import r2_contributions, skill_contributions

CLASS = "class"  # what the dataset's own classes are called among the factors
MOST_VALUES = 4  # rows a value of a category must have on average


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one factor is read: its targets on the rows that are fitted to, (n, t), and the values of a category."""

    name: str
    factor: Factor
    targets: np.ndarray
    values: tuple[str, ...] = ()

    def encode(self, column: np.ndarray) -> np.ndarray:
        """Targets (m, t) of other rows. Raises ProtocolError for a value that was not fitted to."""
        return _encoded(self.name, self.factor, column, self.values)

    def contributions(self, predicted: np.ndarray, column: np.ndarray) -> np.ndarray:
        """What each row adds to the skill of predictions (m, t): R^2, or accuracy as a share of what is above guessing."""
        truth = self.encode(column)
        if not self.values:
            return r2_contributions(truth, predicted)
        label = truth.argmax(axis=1)
        return skill_contributions(classification.judge(predicted, label).credit, self.chance(column))

    def chance(self, column: np.ndarray) -> float:
        """The accuracy of always guessing the commonest of the fitted values (of equal ones, any)."""
        label = self.encode(column).argmax(axis=1)
        same = np.repeat(self.targets.mean(axis=0)[None], len(label), axis=0)
        return classification.accuracy(classification.judge(same, label).credit)


def reading(name: str, factor: Factor, column: np.ndarray) -> Reading:
    """How a factor is read from its column (n,) on the rows that are fitted to.

    Raises ProtocolError for a factor that is constant, that is no number, or that is continuous where classes are needed.
    """
    values: tuple[str, ...] = ()
    if factor.kind == "category":
        values = tuple(np.unique(column.astype(str)).tolist())
        if len(values) > len(column) / MOST_VALUES:
            raise ProtocolError(
                f"the factor {name!r} is declared a category and has {len(values)} values in {len(column)} rows: is it "
                'continuous? Then declare kind = "number" or "angle".'
            )
    targets = _encoded(name, factor, column, values)
    if np.ptp(targets, axis=0).max() <= 0 or len(values) == 1:
        raise ProtocolError(f"the factor {name!r} is constant ({column[0]}): there is nothing to read.")
    return Reading(name=name, factor=factor, targets=targets, values=values)


def column_of(split: TuningSplit | TestSplit, name: str) -> np.ndarray:
    """The column of a factor; of "class", the labels. Raises ProtocolError where there is none."""
    if name == CLASS:
        label = split.label if isinstance(split, TuningSplit) else split.truth
        return np.asarray(np.array(split.class_names)[label])
    if name not in split.columns:
        raise ProtocolError(f"there is no column {name!r}; there are {', '.join(sorted(split.columns)) or 'none'}.")
    found: np.ndarray = split.columns[name]
    return found


def with_class(factors: Mapping[str, Factor], class_names: tuple[str, ...]) -> dict[str, Factor]:
    """The factors and, where there are two classes or more, the class, which is content."""
    own = {CLASS: Factor(kind="category", role="content")} if len(class_names) > 1 else {}
    return {**own, **factors}


def _encoded(name: str, factor: Factor, column: np.ndarray, values: tuple[str, ...]) -> np.ndarray:
    if factor.kind == "category":
        return _one_hot(name, column, values)
    try:
        numbers = column.astype(np.float64)
    except ValueError as error:
        raise ProtocolError(f"the factor {name!r} is declared a {factor.kind} and holds text ({error}).") from error
    if not np.isfinite(numbers).all():
        raise ProtocolError(f"the factor {name!r} is NaN or infinite in {int((~np.isfinite(numbers)).sum())} rows.")
    if factor.kind == "angle":
        return np.stack([np.cos(np.deg2rad(numbers)), np.sin(np.deg2rad(numbers))], axis=1)
    return numbers[:, None]


def _one_hot(name: str, column: np.ndarray, values: tuple[str, ...]) -> np.ndarray:
    words = column.astype(str)
    unknown = sorted(set(words.tolist()) - set(values))
    if unknown:
        raise ProtocolError(
            f"{len(unknown)} values of the factor {name!r} are not in train: {', '.join(map(repr, unknown[:6]))}. "
            "If they are others by design (an instance), declare within = true."
        )
    return np.asarray(words[:, None] == np.array(values)[None], dtype=np.float64)
