"""Average precision of classes of which an example can have several: PASCAL VOC2007's, at eleven points of recall.

Labels are (n, classes): 1 where the class is there, -1 where it is not, 0 where that is not to be judged (only objects marked
difficult): such an example takes no part in that class. Examples of equal score come in together, at one threshold, so that a
constant score has the precision of guessing at every recall. A class without a positive example has no average precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.classification import TOLERANCE
from repbench.measure.intervals import Interval, percentiles

POINTS = 11
DRAWS = 1000
BLOCK = 1 << 21  # weights drawn at once


def eleven_point(scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Average precision of each class (classes,), NaN for one without positives (Everingham et al. 2010, section 4.2).

    For each recall 0, 0.1, ... 1, the highest precision reached at that recall or a higher one; of these eleven the mean.
    Scores and labels are (n, classes). Raises ProtocolError for other shapes, labels or scores that are not finite.
    """
    return np.array([_eleven(*curve)[0] for curve in _curves(scores, label)])


def all_points(scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Average precision of each class (classes,) a step at every positive as in scikit-learn. Raises as `eleven_point`."""
    return np.array([_every(*curve)[0] for curve in _curves(scores, label)])


def mean(by_class: np.ndarray) -> float:
    """Mean over the classes that have an average precision. Raises ProtocolError where none has."""
    if np.isnan(by_class).all():
        raise ProtocolError("no class has a positive example: average precision is undefined.")
    return float(np.nanmean(by_class))


def chance(label: np.ndarray) -> float:
    """What a constant score earns: the share of positives among the judged, mean over the classes that have some."""
    yes, judged = (label > 0).sum(axis=0), (label != 0).sum(axis=0)
    return mean(np.where(yes > 0, yes / np.maximum(judged, 1), np.nan))


def label_ranking(scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Label-ranking average precision of each example (n,): how far its own classes stand above the others.

    Mean over its classes of the share of its own among the judged classes that score as much or more (Schapire & Singer
    2000); 1 for an example of no class or of all. Raises as `eleven_point`.
    """
    scores, label = _checked(scores, label)
    found = np.ones(len(scores))
    for place, (score, truth) in enumerate(zip(scores, label, strict=True)):
        own = score[truth > 0]
        if len(own) and (truth < 0).any():
            slack = TOLERANCE * np.maximum(1.0, np.abs(own))
            above = (score[None, truth != 0] >= (own - slack)[:, None]).sum(axis=1)
            found[place] = float(((own[None] >= (own - slack)[:, None]).sum(axis=1) / above).mean())
    return found


def bootstrap(scores: np.ndarray, label: np.ndarray, seed: int, draws: int = DRAWS) -> tuple[Interval, Interval]:
    """95 % intervals of the means of `eleven_point` and `all_points`; examples are drawn, with all their labels.

    Average precision falls with the number of positives that differ, of which a draw has fewer than the data: what is drawn
    lies too high by as much, so its percentiles are moved to where its mean is the value. Then the interval holds the mean
    over other test sets of that size in 90 to 97 of 100, where plain percentiles hold it in 78 to 91, and can lie above the
    value itself (40 to 600 examples of 20 classes; tests/measure/test_average_precision.py).
    """
    scores, label = _checked(scores, label)
    drawn = _drawn([scores], label, seed, draws)[0]
    of_all = mean(eleven_point(scores, label)), mean(all_points(scores, label))
    low_high = [
        tuple(min(1.0, max(0.0, value + bound)) for bound in percentiles(noise(values)))
        for value, values in zip(of_all, drawn, strict=True)
    ]
    return (low_high[0][0], low_high[0][1]), (low_high[1][0], low_high[1][1])


def drawn_gains(old: np.ndarray, new: np.ndarray, label: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """What the mean of `eleven_point` of scores `new` is above that of `old`, both (n, classes), in draws of examples (draws,).

    Both are judged on the same drawn examples. Raises as `eleven_point`.
    """
    first, second = _drawn([old, new], label, seed, draws)[:, 0]
    gains: np.ndarray = second - first
    return gains


def noise(drawn: np.ndarray) -> np.ndarray:
    """What was drawn (draws,), without draws that lack all positives, around its own mean."""
    known = drawn[np.isfinite(drawn)]
    around: np.ndarray = known - known.mean()
    return around


def _drawn(several: Sequence[np.ndarray], label: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """Means of `eleven_point` and `all_points` (scores, 2, draws) of several scores, on the same examples in each draw."""
    checked = [_checked(scores, label)[0] for scores in several]
    order = np.lexsort((*label.T, *(column for scores in checked for column in scores.T)))  # not the order of the examples
    checked, label = [scores[order] for scores in checked], np.asarray(label)[order]
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // len(label))
    blocks: list[np.ndarray] = []
    for first in range(0, draws, step):
        count = min(step, draws - first)
        drawn = rng.integers(len(label), size=(count, len(label))) + len(label) * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * len(label)).reshape(count, -1)
        blocks.append(np.array([_means(list(_curves(scores, label, weights))) for scores in checked]))
    return np.concatenate(blocks, axis=2)


def _means(curves: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    return np.array([_mean_of_draws([kind(*curve) for curve in curves]) for kind in (_eleven, _every)])


def _mean_of_draws(by_class: list[np.ndarray]) -> np.ndarray:
    stacked = np.array(by_class)  # (classes, draws)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):  # a draw without any positive
        means: np.ndarray = np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)
    return means


def _checked(scores: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, label = np.asarray(scores, dtype=np.float64), np.asarray(label)
    if scores.ndim != 2 or not scores.size or scores.shape != label.shape:
        raise ProtocolError(
            f"scores and labels of several classes need one shape (n, classes); got {scores.shape} and {label.shape}."
        )
    if not np.isin(label, (-1, 0, 1)).all():
        raise ProtocolError("labels of several classes are 1, -1 or 0; others were found.")
    bad = int((~np.isfinite(scores).all(axis=1)).sum())
    if bad:
        raise ProtocolError(f"the class scores of {bad} of {len(scores)} examples are NaN or infinite.")
    return scores, label


def _curves(
    scores: np.ndarray, label: np.ndarray, weights: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each class: how many positives, and how many at all, lie at or above each threshold that has one: (draws, steps).

    `weights` (draws, n) say how often each example counts. Thresholds without a positive lower the precision at the same
    recall: they can be left out.
    """
    scores, label = _checked(scores, label)
    weights = np.ones((1, len(scores)), dtype=np.int64) if weights is None else weights
    for column in range(scores.shape[1]):
        judged = np.flatnonzero(label[:, column] != 0)
        order = judged[np.argsort(-scores[judged, column], kind="stable")]
        positive = label[order, column] > 0
        if not positive.any():
            nothing = np.zeros((len(weights), 0), dtype=np.int64)
            yield nothing, nothing
            continue
        ordered = scores[order, column]
        falls = ordered[:-1] - ordered[1:] > TOLERANCE * np.maximum(1.0, np.abs(ordered[:-1]))
        group = np.concatenate([[0], np.cumsum(falls)])
        last = np.flatnonzero(np.append(falls, True))  # the last example of each group of equal scores
        ends = last[np.unique(group[positive])]
        starts = np.concatenate([[0], ends[:-1] + 1])
        reached = slice(0, ends[-1] + 1)
        chosen = weights[:, order[reached]]
        hits = np.add.reduceat(chosen * positive[reached], starts, axis=1)
        yield np.cumsum(hits, axis=1), np.cumsum(np.add.reduceat(chosen, starts, axis=1), axis=1)


def _eleven(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(draws,): NaN for a draw without positives."""
    if not hits.shape[1]:
        return np.full(len(hits), np.nan)
    precision = hits / np.maximum(taken, 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    total = np.zeros(len(hits))
    for point in range(POINTS):  # in whole numbers: 3 of 10 is a recall of 0.3
        before = (hits * (POINTS - 1) < point * hits[:, -1:]).sum(axis=1)
        total += best[np.arange(len(hits)), before]
    return np.where(hits[:, -1] > 0, total / POINTS, np.nan)


def _every(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """(draws,): NaN for a draw without positives."""
    if not hits.shape[1]:
        return np.full(len(hits), np.nan)
    gained = np.diff(hits, axis=1, prepend=0)
    area = (gained * (hits / np.maximum(taken, 1))).sum(axis=1)
    return np.where(hits[:, -1] > 0, area / np.maximum(hits[:, -1], 1), np.nan)
