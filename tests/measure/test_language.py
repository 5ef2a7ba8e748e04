"""Kneser-Ney against the formula worked out by hand, and what every probability must do."""

from __future__ import annotations

import math

import pytest

from repbench.measure.language import END, START, NgramModel, words

TEXT = [("a", "b", "a", "c"), ("a", "b", "b"), ("c", "a")]
TYPES = ["a", "b", "c", END]


def test_words_are_lower_case_and_signs_stand_alone() -> None:
    assert words("A dog's ball, left-hand.") == ("a", "dog's", "ball", ",", "left", "-", "hand", ".")


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("context", [(), ("a",), ("b", "a"), ("c", "c"), ("never", "seen")])
def test_probabilities_sum_to_one_with_the_unknown_word(order: int, context: tuple[str, ...]) -> None:
    model = NgramModel(TEXT, order)
    total = sum(model.probability(word, context) for word in [*TYPES, "unknown"])
    assert total == pytest.approx(1, abs=1e-12)
    assert all(model.probability(word, context) > 0 for word in [*TYPES, "unknown"])


def test_a_bigram_by_hand() -> None:
    """Bigrams: <s>a 2, <s>c 1, ab 2, ba 1, ac 1, c</s> 1, bb 1, b</s> 1, ca 1, a</s> 1: n1 = 8, n2 = 2, D = 8 / 12.

    Before a stand <s>, b, c; before b: a, b; before c: <s>, a; before </s>: c, b, a: ten distinct bigrams, no count of one but
    two of two and two of three, so D = .75 there.
    """
    model = NgramModel(TEXT, 2)
    base = 1 / 5
    continuation_b = (2 - 0.75) / 10 + 0.75 * 4 / 10 * base
    by_hand = (2 - 8 / 12) / 4 + 8 / 12 * 3 / 4 * continuation_b  # a is followed four times, by b, c, </s>
    assert model.probability("b", ("a",)) == pytest.approx(by_hand, abs=1e-12)


def test_a_context_that_was_never_seen_falls_back_to_the_shorter_one() -> None:
    model = NgramModel(TEXT, 3)
    assert model.probability("b", ("z", "a")) == model.probability("b", ("y", "a")) > model.probability("b", ("z", "c"))
    assert model.probability("c", ("z", "z")) == model.probability("c", ("y", "y"))


def test_a_sentence_is_the_sum_over_its_words_and_its_end() -> None:
    model = NgramModel(TEXT, 2)
    by_hand = [model.probability("a", (START,)), model.probability("b", ("a",)), model.probability(END, ("b",))]
    assert model.log_probabilities(("a", "b")) == pytest.approx([math.log(p) for p in by_hand])


def test_frequent_sequences_are_likelier_than_their_words_shuffled() -> None:
    model = NgramModel([("a", "cup", "on", "a", "table")] * 3 + [("a", "dog", "on", "a", "mat")] * 3, 3)
    assert sum(model.log_probabilities(("a", "cup", "on", "a", "mat"))) > sum(
        model.log_probabilities(("mat", "a", "on", "cup", "a"))
    )


def test_no_sentence_and_no_order_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one sentence"):
        NgramModel([], 2)
    with pytest.raises(ValueError, match="at least 1"):
        NgramModel(TEXT, 0)
