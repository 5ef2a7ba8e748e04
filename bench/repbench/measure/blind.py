"""Blind baselines: what choosing among captions scores without a look at the image.

Each rule gives every caption a number; the caption with the highest is chosen, ties by chance. Where such a rule scores above
chance, the negatives can be told from the truth by their text, and the probe does not ask for vision ("hackable": Hsieh et al.
2023, SugarCrepe, 3; length on SugarCrepe itself: add_att 99.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repbench.digests import digest_text
from repbench.measure import pairs
from repbench.measure.geometry import unit_rows
from repbench.measure.intervals import Interval, wilson
from repbench.measure.language import NgramModel, words

ORDERS = {"bag of words": 1, "bigram model": 2, "trigram model": 3}
FOLDS = 5
CHOICE = "one-image-many-captions"
MARGIN = 0.05  # a rule that is surely this far above chance makes a probe hackable

Captions = Sequence[Sequence[str]]  # an example's captions, n x k
Scores = Mapping[str, np.ndarray]  # rule -> scores float64 (n, k)


def length_scores(captions: Captions) -> dict[str, np.ndarray]:
    """Scores (n, k) of the rules by length, in characters and in words, each in both directions."""
    characters = _scored(captions, len)
    counts = _scored(captions, lambda text: len(words(text)))
    return {
        "fewest characters": -characters,
        "most characters": characters,
        "fewest words": -counts,
        "most words": counts,
    }


def likelihood_scores(captions: Captions, true_captions: Sequence[str]) -> dict[str, np.ndarray]:
    """Scores (n, k) by language models that were fitted on `true_captions` of other examples: ln P, and ln P a word.

    Raises ValueError where there is no true caption.
    """
    found: dict[str, np.ndarray] = {}
    fitted_on = [words(text) for text in true_captions]
    lengths = _scored(captions, lambda text: len(words(text)) + 1)
    for name, order in ORDERS.items():
        found[name] = _scored(captions, NgramModel(fitted_on, order).log_likelihood)
        found[f"{name}, a word"] = found[name] / lengths
    return found


def cross_fitted(captions: Captions, true_captions: Captions, groups: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """As `likelihood_scores`, where no other split is at hand: fitted on the true captions of the examples in other folds.

    `true_captions` has those of each example; examples of one group (an image, a source) share a fold. {} for one group alone.
    """
    fold = fold_of(groups, seed)
    found: dict[str, np.ndarray] = {}
    for held in np.unique(fold):
        rows = np.flatnonzero(fold == held).tolist()
        others = [text for place in np.flatnonzero(fold != held).tolist() for text in true_captions[place]]
        if not others:
            return {}
        for name, scores in likelihood_scores([captions[place] for place in rows], others).items():
            found.setdefault(name, np.empty((len(captions), scores.shape[1])))[rows] = scores
    return found


def fold_of(groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """A fold, int (n,), for each example; whole groups, which are dealt out in an order that hangs on their names alone."""
    names, place = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    order = np.argsort([digest_text(str(seed), str(name)) for name in names], kind="stable")
    dealt = np.empty(len(names), dtype=np.int64)
    dealt[order] = np.arange(len(names)) % FOLDS
    return dealt[place]


def typicality(embedded: np.ndarray, true_embedded: np.ndarray) -> np.ndarray:
    """Mean cosine (n, k) of caption embeddings (n, k, dim) with those of true captions of other examples (m, dim)."""
    n, k, dim = embedded.shape
    mean = unit_rows(true_embedded).mean(axis=0)
    similarity: np.ndarray = unit_rows(embedded.reshape(n * k, dim)) @ mean
    return similarity.reshape(n, k)


def typicality_apart(embedded: Sequence[np.ndarray], true: np.ndarray, groups: np.ndarray) -> np.ndarray | None:
    """Mean cosine (n, k) of captions, k arrays of embeddings (n, dim), with all true captions of other groups.

    `true` bool (n, k) says which are true of an image; examples of one group (n,) share it. Each group has the sum of all less
    its own: nothing is drawn. None where a group has no others.
    """
    names, group = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    own = np.zeros((len(names), embedded[0].shape[1]))
    for x, is_true in zip(embedded, true.T, strict=True):
        np.add.at(own, group[is_true], unit_rows(x[is_true]))
    others = true.sum() - np.bincount(group, weights=true.sum(axis=1))
    if others.min() < 1:
        return None
    mean = (own.sum(axis=0) - own) / others[:, None]
    return np.stack([np.einsum("nd,nd->n", unit_rows(x), mean[group]) for x in embedded], axis=1)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What blind rules make of a probe: the score of each rule by the probe's first metric, its interval, and chance."""

    score: Mapping[str, float]
    interval: Mapping[str, Interval]
    credit: Mapping[str, np.ndarray]  # rule -> what each example earns (n,)
    chance: float

    @property
    def best(self) -> str:
        """The rule with the highest score (of equals the first)."""
        return max(self.score, key=lambda rule: self.score[rule])

    @property
    def hackable(self) -> bool:
        """Whether the best rule lies more than `MARGIN` above chance, surely: by the lower end of its interval."""
        return self.interval[self.best][0] > self.chance + MARGIN

    @property
    def solved(self) -> np.ndarray:
        """Which examples (n,) the best rule solves without luck; none where even that rule is no better than chance."""
        better = self.score[self.best] > self.chance + 1e-9
        return np.asarray((self.credit[self.best] == 1) & better)


def verdict(
    scores: Scores,
    rule: str = CHOICE,
    images: int = 1,
    candidates: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> Verdict:
    """The verdict on blind scores (n, captions), which are the same for each of the `images`, by a rule of measure/pairs.py.

    `weight` (n,) is what each example counts, adding up to one; `groups` (n,) says which examples depend on each other. The
    best of many rules is looked for, so the intervals hold for all of them together (Bonferroni). Raises ProtocolError as
    `pairs.judge`.
    """
    credit: dict[str, np.ndarray] = {}
    for name, values in scores.items():
        judged = pairs.judge(rule, np.repeat(np.asarray(values)[:, None], images, axis=1), candidates)
        credit[name] = judged.credits[judged.primary]
    counts = np.full(len(judged.tied), 1 / len(judged.tied)) if weight is None else np.asarray(weight, dtype=np.float64)
    each = 1 - (1 - level) / len(credit)
    score = {name: math.fsum(earned * counts) for name, earned in credit.items()}
    return Verdict(
        score=score,
        interval={name: wilson(value, independent(credit[name], counts, groups), each) for name, value in score.items()},
        credit=credit,
        chance=math.fsum(judged.chance[judged.primary] * counts),
    )


def independent(credit: np.ndarray, weight: np.ndarray, groups: np.ndarray | None) -> float:
    """How many independent examples tell as much as these (n,) of a weight (n,) that adds up to one.

    With `groups` the number is divided by the design effect, the cluster-robust variance of the mean over that of independent
    examples (Kish 1965), where that is above one; where all credits are equal, and it is not defined, each group counts once.
    """
    size = 1 / math.fsum(weight**2)
    if groups is None:
        return size
    _, group = np.unique(groups, return_inverse=True)
    away = weight * (credit - math.fsum(weight * credit))
    alone = math.fsum(away**2)
    if alone < 1e-18:
        return 1 / math.fsum(np.bincount(group, weights=weight) ** 2)
    return size / max(1.0, math.fsum(np.bincount(group, weights=away) ** 2) / alone)


def same_words(captions: Captions) -> np.ndarray:
    """Whether (n,) all captions of an example have the same words, in whatever order.

    Signs do not count. No bag of words can tell such captions apart.
    """
    bags = [{tuple(sorted(word for word in words(text) if word[0].isalnum())) for text in example} for example in captions]
    return np.array([len(different) == 1 for different in bags])


def _scored(captions: Captions, rule: Callable[[str], float]) -> np.ndarray:
    return np.array([[rule(text) for text in example] for example in captions], dtype=np.float64)
