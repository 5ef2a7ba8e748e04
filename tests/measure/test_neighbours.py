"""Nearest neighbours against faiss, scikit-learn and a sort; votes against DINO's formula written out."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestNeighbors

from repbench.errors import ProtocolError
from repbench.measure import neighbours
from repbench.measure.candidates import search_by_candidates
from repbench.measure.geometry import unit_rows
from repbench.measure.neighbours import search, vote

RNG = np.random.default_rng(0)
BANK = RNG.normal(size=(700, 24)).astype(np.float32)
QUERIES = RNG.normal(size=(130, 24)).astype(np.float32)


def test_neighbours_are_those_of_faiss() -> None:
    index = faiss.IndexFlatIP(24)
    index.add(unit_rows(BANK).astype(np.float32))
    reference, rows = index.search(unit_rows(QUERIES).astype(np.float32), 20)
    similarities, ours = search(QUERIES, BANK, 20)
    assert_allclose(similarities, reference, atol=2e-6)
    apart = np.abs(np.diff(reference, axis=1)).min(axis=1) > 4e-6  # nearer ones may come in either order
    assert apart.mean() > 0.8
    assert_array_equal(ours[apart], rows[apart])


def test_neighbours_are_those_of_scikit_learn() -> None:
    distances, rows = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(BANK).kneighbors(QUERIES)
    similarities, ours = search(QUERIES, BANK, 5)
    assert_allclose(similarities, 1 - distances, atol=2e-6)
    assert (ours == rows).mean() > 0.99


@pytest.mark.parametrize("rows", [1, 13, 128, 5000])
def test_block_size_changes_nothing(rows: int) -> None:
    bank = np.concatenate([BANK[:40], BANK[:40], BANK[:40]])
    reference = search(QUERIES[:30], bank, 10)
    for ours, expected in zip(search(QUERIES[:30], bank, 10, rows=rows), reference, strict=True):
        assert_array_equal(ours, expected)


def test_duplicates_tie_exactly_and_the_lower_row_comes_first() -> None:
    bank = np.concatenate([BANK[:50], BANK[:50][::-1], 2 * BANK[:50]])  # length does not matter either
    similarities, rows = search(QUERIES, bank, 150)
    assert (similarities[:, 0::3] == similarities[:, 1::3]).all()
    assert (similarities[:, 0::3] == similarities[:, 2::3]).all()
    assert (np.diff(rows.reshape(len(QUERIES), 50, 3), axis=2) > 0).all()


def test_order_is_a_stable_sort_of_the_rounded_cosine() -> None:
    coarse = np.sign(BANK[:, :4])  # four dimensions of +-1: many ties
    queries = np.sign(QUERIES[:, :4])
    cosine = np.rint(queries @ coarse.T / 4 * 1e6)
    expected = np.argsort(-cosine, axis=1, kind="stable")[:, :33]
    similarities, rows = search(queries, coarse, 33, rows=64)
    assert_array_equal(rows, expected)
    assert_allclose(similarities, np.take_along_axis(cosine, expected, axis=1) / 1e6, atol=1e-12)


def test_zero_vectors_are_orthogonal_to_everything() -> None:
    bank = np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    similarities, rows = search(np.array([[1.0, 0.0], [0.0, 0.0]]), bank, 3)
    assert_allclose(similarities, [[1, 0, -1], [0, 0, 0]], atol=1e-12)
    assert_array_equal(rows, [[0, 1, 2], [0, 1, 2]])


def test_k_is_clipped_to_the_bank() -> None:
    similarities, rows = search(QUERIES, BANK[:6], 20)
    assert similarities.shape == rows.shape == (130, 6)
    assert similarities.dtype == np.float64
    assert rows.dtype == np.int64
    assert search(QUERIES[:0], BANK, 4)[1].shape == (0, 4)


def test_votes_follow_dinos_formula() -> None:
    labels = np.random.default_rng(1).integers(5, size=700)
    similarities, rows = search(QUERIES, BANK, 20)
    ours = vote(similarities, labels[rows], 5, 0.07)
    cosine = unit_rows(QUERIES) @ unit_rows(BANK).T
    for query, scores in enumerate(ours):
        reference = np.zeros(5)
        for row in np.argsort(-cosine[query])[:20]:
            reference[labels[row]] += np.exp(cosine[query, row] / 0.07)
        assert_allclose(scores / scores.sum(), reference / reference.sum(), rtol=1e-4)
        assert scores.argmax() == reference.argmax()


def test_a_tiny_temperature_does_not_overflow() -> None:
    scores = vote(np.array([[0.9, 0.8, 0.8]]), np.array([[1, 0, 0]]), 3, 1e-6)
    assert_allclose(scores, [[0, 1, 0]])


@pytest.mark.parametrize(
    ("queries", "bank", "k", "match"),
    [
        (QUERIES, BANK[:0], 3, "empty"),
        (QUERIES, BANK[:, :5], 3, "one width"),
        (QUERIES, BANK, 0, "at least 1"),
        (np.full((2, 24), np.nan), BANK, 3, "2 of 2 queries"),
        (QUERIES, np.full((2, 24), np.inf), 3, "2 of 2 bank"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries: np.ndarray, bank: np.ndarray, k: int, match: str) -> None:
    with pytest.raises(ProtocolError, match=match):
        search(queries, bank, k)


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ProtocolError, match="temperature"):
        vote(np.ones((1, 1)), np.zeros((1, 1), dtype=int), 2, 0.0)


@pytest.mark.parametrize("kind", ["apart", "duplicates", "one vector", "coarse"])
def test_float32_candidates_change_neither_neighbours_nor_order(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = RNG.normal(size=(4000, 24)).astype(np.float32)
    if kind == "duplicates":
        bank[2000:] = 3 * bank[:2000]
    elif kind == "one vector":
        bank[:] = bank[0]
    elif kind == "coarse":
        bank = np.rint(bank)  # many rows with exactly one similarity, and zeros
        bank[::50] = 0
    queries = np.concatenate([QUERIES, bank[:20]])
    expected = search(queries, bank, 15)
    monkeypatch.setattr(neighbours, "SMALL", 0)
    for ours, reference in zip(search(queries, bank, 15), expected, strict=True):
        assert_array_equal(ours, reference)


def test_candidates_prove_nothing_where_too_many_rows_are_as_near() -> None:
    bank = np.concatenate([np.repeat(BANK[:1], 300, axis=0), BANK])
    found, _, _ = search_by_candidates(np.concatenate([BANK[:1], QUERIES]), bank, 5, neighbours.RESOLUTION)
    assert not found[0]  # 300 rows tie: which of them come first is not known from 17 candidates
    assert found[1:].mean() > 0.9
