"""Tasks whose examples can have several classes: scores and labels out of their examples, and a paired test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from repbench.measure import average_precision
from repbench.measure.intervals import percentiles

DRAWS = 2000
SCORE = "score of "


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A gain of average precision with its 95 % interval and two-sided p, on `n` examples."""

    gain: float
    low: float
    high: float
    p: float
    n: int


def holds_memberships(examples: pd.DataFrame | None) -> bool:
    """Whether examples are of a task with several classes an example, with the score of each class."""
    return examples is not None and {"id", "truth", "ignored"} <= set(examples) and bool(_classes(examples))


def matrices(examples: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, classes) and labels (n, classes) of 1, -1, 0 from the examples of a task with several classes an example."""
    names = _classes(examples)
    scores = examples[[f"{SCORE}{name}" for name in names]].to_numpy(dtype=float)
    held, ignored = (_listed(examples[column]) for column in ("truth", "ignored"))
    truth = np.array(
        [[1 if name in a else 0 if name in b else -1 for name in names] for a, b in zip(held, ignored, strict=True)]
    )
    return scores, truth


def paired(old: pd.DataFrame | None, new: pd.DataFrame | None, seed: int) -> Paired | None:
    """The gain of 11-point mean average precision of `new` over `old`; None where they are not of the same examples.

    A bootstrap of examples, each with both scores (Efron & Tibshirani 1993, 16). Average precision is no mean over examples,
    so that swapping the scores of an example, as is done for accuracies, tests nothing. What is drawn counts around its own
    mean (measure/average_precision.py); p is the least level whose interval leaves out 0, with the data counted as a draw.
    """
    if old is None or new is None or not (holds_memberships(old) and holds_memberships(new)):
        return None
    first, second = (one.assign(id=one["id"].astype(str)).sort_values("id", ignore_index=True) for one in (old, new))
    same = (first[name].equals(second[name]) for name in ("id", "truth", "ignored"))
    if len(first) < 2 or _classes(first) != _classes(second) or not all(same):
        return None
    (scores, label), (others, _) = matrices(first), matrices(second)
    before, after = (average_precision.mean(average_precision.eleven_point(one, label)) for one in (scores, others))
    around = average_precision.noise(average_precision.drawn_gains(scores, others, label, seed, DRAWS))
    gain, (low, high) = after - before, percentiles(around)
    least = min(np.count_nonzero(around <= -gain), np.count_nonzero(around >= -gain))
    p = min(1.0, 2 * (1 + int(least)) / (1 + len(around)))
    return Paired(gain=gain, low=gain + low, high=gain + high, p=p, n=len(first))


def _classes(examples: pd.DataFrame) -> list[str]:
    return [str(column).removeprefix(SCORE) for column in examples if str(column).startswith(SCORE)]


def _listed(column: pd.Series) -> list[set[str]]:
    return [set(str(text).split(", ")) for text in column]
