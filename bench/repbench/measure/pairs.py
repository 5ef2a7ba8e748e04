"""From scores of images and captions to credits: the rules by which compositional probes are judged.

Every rule takes a score tensor, float (n, images, captions), higher for a better match, and gives each example a credit in
[0, 1]: what it would earn on average if ties were broken at random. A model that tells nothing apart then scores exactly what
guessing scores, wherever the true caption stands. Without ties the credits are 0 and 1, as the official scripts count them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from repbench.errors import ProtocolError

RESOLUTION = 1e-6  # scores this near, relative to max(1, |score|), are tied: float32 embeddings do not tell them apart


@dataclass(frozen=True, kw_only=True)
class Judged:
    """`credits`: metric -> what each example earns (n,); the first is the official one. `chance`: metric -> what guessing earns
    (n,). `tied` (n,): whether some comparison was a tie that took part in the credit.
    """

    credits: Mapping[str, np.ndarray]
    chance: Mapping[str, np.ndarray]
    tied: np.ndarray

    @property
    def primary(self) -> str:
        """The metric that the probe's authors rank by."""
        return next(iter(self.credits))


def judge(rule: str, scores: np.ndarray, candidates: np.ndarray | None = None) -> Judged:
    """Judge scores (n, images, captions) by a rule of that name (datasets/probe.py says what each means).

    `candidates`, int (n,): how many captions each example has, where that differs. Raises ProtocolError for an unknown rule, a
    wrong shape, no example, or a score that is not finite.
    """
    if rule not in _RULES:
        raise ProtocolError(f"unknown rule {rule!r}; expected one of {', '.join(_RULES)}.")
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or not scores.size:
        raise ProtocolError(f"pair scores need the shape (n, images, captions), n > 0; got {scores.shape}.")
    bad = int((~np.isfinite(scores).all(axis=(1, 2))).sum())
    if bad:
        raise ProtocolError(f"the pair scores of {bad} of {len(scores)} examples are NaN or infinite.")
    if rule == "one-image-many-captions":
        return first_of(_sides(scores, rule, 1, None)[:, 0], candidates)
    return _RULES[rule](scores)


def best(scores: np.ndarray, candidates: np.ndarray | None = None) -> np.ndarray:
    """Which of the captions (n, captions) score most, bool (n, captions); those beyond `candidates` (n,) never."""
    scores = np.asarray(scores, dtype=np.float64)
    if candidates is not None:
        scores = np.where(np.arange(scores.shape[1]) < candidates[:, None], scores, -np.inf)
    top = scores.max(axis=1, keepdims=True)
    found: np.ndarray = scores >= top - _tolerance(top)
    return found


def jointly(credit: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The credit of each group, in order of its value: the chance that all of its examples are right, ties broken apart."""
    _, place = np.unique(groups.astype(str), return_inverse=True)
    product = np.ones(place.max() + 1)
    np.multiply.at(product, place, credit)
    return product


def first_of(scores: np.ndarray, candidates: np.ndarray | None = None) -> Judged:
    """The first of (n, k) must score more than every other one."""
    among = best(scores, candidates)
    count = among.sum(axis=1)
    size = np.full(len(scores), scores.shape[1]) if candidates is None else np.asarray(candidates)
    if size.min() < 2 or size.max() > scores.shape[1]:
        raise ProtocolError(f"examples have {size.min()} to {size.max()} candidates; expected 2 to {scores.shape[1]}.")
    credit = np.where(among[:, 0], 1.0 / count, 0.0)
    return Judged(credits={"accuracy": credit}, chance={"accuracy": 1.0 / size}, tied=(count > 1) & among[:, 0])


def _captions(scores: np.ndarray) -> Judged:
    return first_of(_sides(scores, "one-image-many-captions", 1, None)[:, 0])


def _images(scores: np.ndarray) -> Judged:
    return first_of(_sides(scores, "many-images-one-caption", None, 1)[:, :, 0])


def _two_true(scores: np.ndarray) -> Judged:
    """SugarCrepe++: both true captions score more than the false one, the last."""
    return two_above(_sides(scores, "two-true-captions", 1, 3)[:, 0])


def two_above(scores: np.ndarray) -> Judged:
    """Both of the first two of (n, 3) must score more than the third: of three that are tied, it is the least once in three."""
    gap = _beats(scores[:, :2], scores[:, 2:])
    above, equal = (gap == 1).sum(axis=1), (gap == 0.5).sum(axis=1)
    credit = np.where(above + equal == 2, 1.0 / (1 + equal), 0.0)
    third = np.full(len(scores), 1 / 3)
    return Judged(credits={"accuracy": credit}, chance={"accuracy": third}, tied=(equal > 0) & (credit > 0))


def _two_by_two(scores: np.ndarray) -> Judged:
    """Winoground (Thrush et al. 2022, 3.2): text, image and group score."""
    s = _sides(scores, "winoground", 2, 2)
    text = _beats(s[:, 0, 0], s[:, 0, 1]), _beats(s[:, 1, 1], s[:, 1, 0])
    image = _beats(s[:, 0, 0], s[:, 1, 0]), _beats(s[:, 1, 1], s[:, 0, 1])
    own, crossed = np.stack([s[:, 0, 0], s[:, 1, 1]], axis=1), np.stack([s[:, 0, 1], s[:, 1, 0]], axis=1)
    credits = {"group-score": _all_above(own, crossed), "text-score": text[0] * text[1], "image-score": image[0] * image[1]}
    ones = np.ones(len(s))
    chance = {"group-score": ones / 6, "text-score": ones / 4, "image-score": ones / 4}
    tied = np.stack([*text, *image], axis=1) == 0.5
    return Judged(credits=credits, chance=chance, tied=tied.any(axis=1))


def _natural(scores: np.ndarray) -> Judged:
    """NaturalBench (Li et al. 2024): each image chooses between two answers to each of two questions.

    The four choices share no score, so that ties are broken apart and joint credits are products.
    """
    s = _sides(scores, "naturalbench", 2, 4)
    right = np.stack(
        [[_beats(s[:, i, 2 * q + i], s[:, i, 2 * q + 1 - i]) for q in range(2)] for i in range(2)]
    )  # (image, question, n)
    credits = {
        "group-accuracy": right.prod(axis=(0, 1)),
        "accuracy": right.mean(axis=(0, 1)),
        "question-accuracy": right.prod(axis=0).mean(axis=0),
        "image-accuracy": right.prod(axis=1).mean(axis=0),
    }
    ones = np.ones(len(s))
    shares = {"group-accuracy": 1 / 16, "accuracy": 1 / 2, "question-accuracy": 1 / 4, "image-accuracy": 1 / 4}
    return Judged(
        credits=credits, chance={name: share * ones for name, share in shares.items()}, tied=(right == 0.5).any(axis=(0, 1))
    )


def _all_above(own: np.ndarray, crossed: np.ndarray) -> np.ndarray:
    """Credit (n,) for all of `own` (n, a) above all of `crossed` (n, b), ties broken by one random order of all scores.

    Only those at the border can be tied: of p of `own` and q of `crossed` there, all p come out on top in p! q! of (p + q)!
    orders.
    """
    least, most = own.min(axis=1), crossed.max(axis=1)
    border = _beats(least, most)
    p = (own <= (least + _tolerance(least))[:, None]).sum(axis=1)
    q = (crossed >= (most - _tolerance(most))[:, None]).sum(axis=1)
    table = np.array([[1 / math.comb(a + b, a) for b in range(3)] for a in range(3)])
    credit: np.ndarray = np.where(border == 0.5, table[p, q], border)
    return credit


def _beats(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """1 where `one` is larger, 0 where it is smaller, 0.5 where they are tied."""
    tolerance = _tolerance(np.maximum(np.abs(one), np.abs(other)))
    found: np.ndarray = np.where(one > other + tolerance, 1.0, np.where(one < other - tolerance, 0.0, 0.5))
    return found


def _tolerance(scores: np.ndarray) -> np.ndarray:
    found: np.ndarray = RESOLUTION * np.maximum(1.0, np.abs(scores))
    return found


def _sides(scores: np.ndarray, rule: str, images: int | None, captions: int | None) -> np.ndarray:
    """The scores, if they have as many images and captions as the rule takes (None: two or more)."""
    for what, wanted, found in (("images", images, scores.shape[1]), ("captions", captions, scores.shape[2])):
        if found < 2 if wanted is None else found != wanted:
            raise ProtocolError(f"the rule {rule} takes {wanted or 'two or more'} {what}; the scores have {found}.")
    return scores


_RULES: Mapping[str, Callable[[np.ndarray], Judged]] = {
    "one-image-many-captions": _captions,
    "many-images-one-caption": _images,
    "two-true-captions": _two_true,
    "winoground": _two_by_two,
    "naturalbench": _natural,
}
