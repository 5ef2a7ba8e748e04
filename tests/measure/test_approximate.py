"""The approximate search against the exact one, which is tested against faiss and scikit-learn."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from repbench.errors import ProtocolError
from repbench.measure import approximate, neighbours

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(40, 16))
BANK = (CENTRES[RNG.integers(40, size=9000)] + 0.4 * RNG.normal(size=(9000, 16))).astype(np.float32)
QUERIES = (CENTRES[RNG.integers(40, size=300)] + 0.4 * RNG.normal(size=(300, 16))).astype(np.float32)


def test_what_it_finds_is_scored_and_ordered_as_by_the_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "PROBED", 2)
    similarities, rows, told = approximate.search(QUERIES, BANK, 10, "ivf", 0)
    expected, exact = neighbours.search(QUERIES, BANK, 10)
    found = np.array([len(set(ours) & set(theirs)) / 10 for ours, theirs in zip(rows, exact, strict=True)])
    assert 0.8 < found.mean() < 1  # approximate, and nearly right
    assert_array_equal(similarities[found == 1], expected[found == 1])
    assert_array_equal(rows[found == 1], exact[found == 1])
    assert (np.diff(similarities, axis=1) <= 0).all()
    assert told["lists"] == 95
    assert told["probed"] == 2


def test_the_recall_that_is_told_is_that_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "PROBED", 2)
    _, rows, told = approximate.search(QUERIES[:100], BANK, 10, "ivf", 0)
    _, exact = neighbours.search(QUERIES[:100], BANK, 10)
    hits = sum(len(set(ours) & set(theirs)) for ours, theirs in zip(rows, exact, strict=True))
    assert told["recall"] == pytest.approx(hits / 1000)
    assert told["recall"] < 1
    assert told["recall_queries"] == 100


def test_equal_input_gives_equal_output_and_faiss_keeps_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "PROBED", 2)
    before = faiss.omp_get_max_threads()
    first, second, other = (approximate.search(QUERIES, BANK, 5, "ivf", seed) for seed in (0, 0, 1))
    assert_array_equal(first[1], second[1])
    assert first[2] == second[2]
    assert first[2] != other[2] or (first[1] != other[1]).any()
    assert faiss.omp_get_max_threads() == before


def test_duplicates_tie_exactly_and_the_lower_row_comes_first() -> None:
    bank = np.concatenate([BANK[:50], 3 * BANK[:50], BANK[:50]])
    similarities, rows, _ = approximate.search(BANK[:50], bank, 3, "ivf", 0)
    assert_array_equal(rows, np.arange(50)[:, None] + [0, 50, 100])
    assert (similarities == similarities[:, :1]).all()


@pytest.mark.parametrize("count", [1, 7, 130])
def test_a_small_bank_is_searched_whole_or_exactly(count: int) -> None:
    ours = approximate.search(QUERIES, BANK[:count], 20, "ivf", 0)
    assert ours[2]["recall"] == 1
    for one, expected in zip(ours, neighbours.search(QUERIES, BANK[:count], 20), strict=False):
        assert_array_equal(one, expected)


def test_queries_for_which_too_few_rows_are_proposed_are_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    proposed = approximate._proposed

    def few(index: object, queries: np.ndarray, count: int) -> np.ndarray:
        rows = proposed(index, queries, count)
        rows[:50, 3:] = -1  # too few
        rows[50:, 40:] = -1  # enough
        return rows

    monkeypatch.setattr(approximate, "_proposed", few)
    similarities, rows, _ = approximate.search(QUERIES, BANK, 20, "ivf", 0)
    expected, exact = neighbours.search(QUERIES, BANK, 20)
    assert_array_equal(rows[:50], exact[:50])
    assert_array_equal(similarities[:50], expected[:50])
    assert rows.min() >= 0
    assert (rows == exact).mean() > 0.99


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ProtocolError, match="'tree'; expected one of ivf"):
        approximate.search(QUERIES, BANK, 3, "tree", 0)
    with pytest.raises(ProtocolError, match="empty"):
        approximate.search(QUERIES, BANK[:0], 3, "ivf", 0)
    assert approximate.search(QUERIES[:0], BANK, 4, "ivf", 0)[1].shape == (0, 4)
