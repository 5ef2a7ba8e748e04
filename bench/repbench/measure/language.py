"""Language models of counts: how probable a text is, learnt from other texts. They see no image.

`NgramModel`: interpolated Kneser-Ney (Kneser & Ney 1995; the interpolated form of Chen & Goodman 1999, 2.7, with the discount
n1 / (n1 + 2 n2) of Ney, Essen & Kneser 1994 for each order). Order 1 is a bag of words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

START, END = "<s>", "</s>"
DISCOUNT = 0.75  # where too few n-grams occur once or twice to estimate one

Gram = tuple[str, ...]


def words(text: str) -> tuple[str, ...]:
    """Lower-case words and, one by one, the other signs of a text, in order."""
    return tuple(re.findall(r"[\w'’]+|[^\w\s]", text.casefold()))


@dataclass(frozen=True, kw_only=True)
class _Level:
    """The n-grams of one length: counts, and for each context their sum and how many distinct words follow it."""

    counts: Counter[Gram]
    total: Counter[Gram]
    followers: Counter[Gram]
    discount: float


class NgramModel:
    """An n-gram model of word sequences. A word that was never seen has the share of one unknown word."""

    def __init__(self, sentences: Iterable[Sequence[str]], order: int = 3) -> None:
        """Count the n-grams of `sentences`, each a sequence of words. Raises ValueError for an order below 1 or no sentence."""
        if order < 1:
            raise ValueError(f"the order of an n-gram model is {order}; expected at least 1.")
        self.order = order
        grams: Counter[Gram] = Counter()
        for sentence in sentences:
            grams.update(_grams(sentence, order))
        if not grams:
            raise ValueError("a language model needs at least one sentence.")
        self._types = len({gram[-1] for gram in grams}) + 1  # the unknown word
        self._levels = [_level(grams)]
        for _ in range(order - 1):  # a shorter n-gram counts how many distinct words stand before it
            grams = Counter(gram[1:] for gram in grams)
            self._levels.append(_level(grams))

    def probability(self, word: str, context: Sequence[str] = ()) -> float:
        """P(word | context), of which the last order - 1 words count."""
        before = tuple(context)[len(context) - self.order + 1 :] if self.order > 1 else ()
        before = (START,) * (self.order - 1 - len(before)) + before
        chance = 1 / self._types
        for level in reversed(self._levels):
            length = len(next(iter(level.counts))) - 1
            here = before[len(before) - length :]
            total = level.total[here]
            if total:
                kept = max(level.counts[(*here, word)] - level.discount, 0.0)
                chance = (kept + level.discount * level.followers[here] * chance) / total
        return chance

    def log_probabilities(self, sentence: Sequence[str]) -> list[float]:
        """ln P of each word of a sentence and of its end, given what stands before."""
        return [math.log(self.probability(gram[-1], gram[:-1])) for gram in _grams(sentence, self.order)]

    def log_likelihood(self, text: str) -> float:
        """ln P of a whole text, in nats."""
        return math.fsum(self.log_probabilities(words(text)))


def _grams(sentence: Sequence[str], order: int) -> list[Gram]:
    padded = (START,) * (order - 1) + tuple(sentence) + (END,)
    return [padded[place : place + order] for place in range(len(sentence) + 1)]


def _level(grams: Counter[Gram]) -> _Level:
    total: Counter[Gram] = Counter()
    followers: Counter[Gram] = Counter()
    for gram, count in grams.items():
        total[gram[:-1]] += count
        followers[gram[:-1]] += 1
    once, twice = (sum(count == times for count in grams.values()) for times in (1, 2))
    discount = once / (once + 2 * twice) if once and twice else DISCOUNT
    return _Level(counts=grams, total=total, followers=followers, discount=discount)
