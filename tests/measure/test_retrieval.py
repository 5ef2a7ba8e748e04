"""Recall and reciprocal rank under ties against all orders of equal candidates, and against torchmetrics without ties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_hit_rate

from repbench.errors import ProtocolError
from repbench.measure.retrieval import Places, guessing, places, recall, reciprocal_rank

RNG = np.random.default_rng(0)


def test_ties_are_the_mean_over_all_orders() -> None:
    for above, group, right in ((0, 5, 1), (2, 4, 2), (1, 1, 1), (0, 6, 6), (3, 5, 3)):
        orders = list(permutations([1] * right + [0] * (group - right)))
        first = np.array([above + order.index(1) + 1 for order in orders])
        at = Places(above=np.array([above]), group=np.array([group]), right=np.array([right]))
        for k in (1, 2, 3, 5, 10):
            assert recall(at, k)[0] == pytest.approx((first <= k).mean())
        assert reciprocal_rank(at)[0] == pytest.approx((1 / first).mean())


def test_without_ties_it_is_torchmetrics() -> None:
    queries, candidates = RNG.normal(size=(20, 5)), RNG.normal(size=(60, 5))
    offered = np.repeat(np.arange(20), 3)  # three captions an image
    at = places(queries, candidates, np.arange(20), offered)
    cosine = torch.nn.functional.normalize(torch.tensor(queries)) @ torch.nn.functional.normalize(torch.tensor(candidates)).T
    for one in range(20):
        target = torch.tensor(offered == one)
        rank = 1 + int(np.flatnonzero(offered[np.argsort(-cosine[one].numpy())] == one)[0])
        assert reciprocal_rank(at)[one] == pytest.approx(1 / rank)
        for k in (1, 5, 10):
            assert recall(at, k)[one] == pytest.approx(float(retrieval_hit_rate(cosine[one], target, top_k=k)))


def test_what_says_nothing_scores_what_guessing_scores() -> None:
    wanted, offered = np.arange(6), np.array([0, 0, 0, 1, 1, 2, 3, 4, 5])
    at, guess = places(np.ones((6, 4)), np.ones((9, 4)), wanted, offered), guessing(wanted, offered)
    for k in (1, 5, 10):
        assert recall(at, k) == pytest.approx(recall(guess, k))
    assert recall(guess, 1) == pytest.approx(np.bincount(offered) / 9)
    assert (recall(guess, 10) == 1).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, candidates, keys = RNG.normal(size=(15, 4)), RNG.normal(size=(15, 4)), np.arange(15)
    whole = places(queries, candidates, keys, keys)
    monkeypatch.setattr("repbench.measure.retrieval.NUMBERS", 20)
    parts = places(queries, candidates, keys, keys)
    assert np.array_equal(whole.above, parts.above)


def test_many_candidates_do_not_overflow() -> None:
    at = Places(above=np.array([0]), group=np.array([25_000]), right=np.array([5]))
    assert recall(at, 10)[0] == pytest.approx(1 - (1 - 10 / 25_000) ** 5, rel=1e-3)


def test_a_query_without_an_answer_is_refused() -> None:
    with pytest.raises(ProtocolError, match="1 of 2 queries have no right answer"):
        places(np.ones((2, 3)), np.ones((1, 3)), np.array([0, 1]), np.array([0]))
    with pytest.raises(ProtocolError, match="one width"):
        places(np.ones((2, 3)), np.ones((2, 4)), np.arange(2), np.arange(2))
