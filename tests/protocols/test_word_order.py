"""word-order on towers with a known answer, and the view that shuffles."""

from __future__ import annotations

import numpy as np
import pytest

from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.views import shuffled_words, variants, view_address
from repbench.errors import UsageError
from repbench.protocols.word_order import WordOrder
from repbench.tasks import load_catalogue

PAIRS = load_catalogue().dataset("emoji-pairs")
CAPTIONS = (["a dog on a mat", "a cup by a hat", "a red car"] * 20, ["a mat on a dog", "a hat by a cup", "a blue car"] * 20)


def bag(text: str) -> np.ndarray:
    """A tower that reads words and not their order."""
    return sum((np.random.default_rng(sum(map(ord, word))).normal(size=32) for word in text.split()), np.zeros(32))


def sequence(text: str) -> np.ndarray:
    """A tower that reads each word at its place."""
    places = enumerate(text.split())
    return sum((np.random.default_rng(100 * k + sum(map(ord, word))).normal(size=32) for k, word in places), np.zeros(32))


def asked(tower: object) -> Embeddings:
    found = []
    for need in WordOrder().needs(PAIRS):
        assert not need.tuning
        texts = CAPTIONS[int(need.column[-1])]
        if need.view == "shuffled-words":
            texts = [shuffled_words(text, text) for text in texts]
        found.append(
            TestSplit(
                x=np.stack([tower(text) for text in texts]).astype(np.float32),  # type: ignore[operator]
                ids=np.array([f"test/{k}" for k in range(60)]),
                columns={f"caption_{k}": np.array(one, dtype=object) for k, one in enumerate(CAPTIONS)},
                class_names=(),
                truth=np.zeros(60, int),
            )
        )
    return Embeddings(tuning=(), test=tuple(found), metric="", probe=PAIRS.probe)


def test_a_bag_of_words_is_moved_by_no_shuffling_and_takes_same_words_for_one_caption() -> None:
    outcome = WordOrder().score(asked(bag), 0)
    assert outcome.metrics["shuffle-distance"].value == pytest.approx(0, abs=1e-6)
    assert outcome.metrics["equal-for-same-words"].value == 1
    assert outcome.metrics["distance-of-different-examples"].value > 0.1
    assert not outcome.judges


def test_a_tower_that_reads_places_notices() -> None:
    outcome = WordOrder().score(asked(sequence), 0)
    assert outcome.metrics["shuffle-distance"].value > 0.1
    assert outcome.metrics["equal-for-same-words"].value == 0
    assert outcome.metrics["distance-of-same-words"].value > 0.1


def test_shuffled_words_are_the_same_words_in_another_order_by_the_key() -> None:
    text = "a dog to the left of a drum"
    drawn = shuffled_words(text, "k")
    assert sorted(drawn.split()) == sorted(text.split())
    assert drawn != text
    assert shuffled_words(text, "k") == drawn
    assert len({shuffled_words(text, str(k)) for k in range(20)}) > 10
    assert shuffled_words("dog dog", "k") == "dog dog"


def test_the_view_is_for_texts_and_has_an_address_of_its_own() -> None:
    assert variants("a dog on a mat", "ab" * 16, "shuffled-words", 0) == variants(
        "a dog on a mat", "ab" * 16, "shuffled-words", 0
    )
    with pytest.raises(UsageError, match="is for texts"):
        variants(object(), "ab" * 16, "shuffled-words", 0)
    assert len({view_address("plain", 0), view_address("shuffled-words", 0), view_address("shuffled-words", 1)}) == 3
