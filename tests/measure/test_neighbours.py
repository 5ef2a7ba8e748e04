"""Nearest neighbours against faiss, scikit-learn and a sort; votes against DINO's formula written out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestNeighbors

from repbench.errors import ProtocolError
from repbench.measure import candidates, neighbours
from repbench.measure.candidates import search_by_candidates, unit_float32
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


def test_a_bank_in_many_blocks_gives_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = np.concatenate([RNG.normal(size=(4000, 24)), RNG.normal(size=(70, 24))]).astype(np.float32)
    bank[2000:3900] = 2 * bank[:1900]  # ties whose two rows lie in different blocks
    expected = search_by_candidates(QUERIES, bank, 5, neighbours.RESOLUTION)
    monkeypatch.setattr(candidates, "COLUMNS", 17 * candidates.GROUP)  # and a last block of a few rows
    monkeypatch.setattr(candidates, "QUERIES", 7)
    monkeypatch.setattr(candidates, "HELD", 24 * 11)  # of queries too, in parts that are not a whole number of blocks
    for ours, reference in zip(search_by_candidates(QUERIES, bank, 5, neighbours.RESOLUTION), expected, strict=True):
        assert_array_equal(ours, reference)


@pytest.mark.parametrize("scale", [1e-320, 1e-170, 1e155, 1e300])
def test_lengths_whose_squares_no_float64_holds_change_no_neighbour(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = RNG.normal(size=(4000, 24))
    bank[::3] *= scale
    expected = search(QUERIES, unit_rows(bank), 15)
    monkeypatch.setattr(neighbours, "SMALL", 0)
    for ours, reference in zip(search(QUERIES, bank, 15), expected, strict=True):
        assert_array_equal(ours, reference)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_rows_in_float32_keep_their_directions_whatever_their_lengths(dtype: type[np.floating]) -> None:
    range_of = np.finfo(dtype)
    lengths = np.geomspace(float(range_of.tiny), float(range_of.max) / 8, 40)
    rows = (RNG.normal(size=(40, 24)) * lengths[:, None]).astype(dtype)
    rows[7] = 0
    before = rows.copy()
    assert_allclose(unit_float32(rows), unit_rows(rows), atol=2e-7)
    assert_array_equal(rows, before)


SEARCH_OF_A_MAP = """
import resource, sys
from pathlib import Path
import numpy as np
from repbench.measure import approximate, candidates, neighbours

candidates.HELD = 2**20
neighbours.ROWS = 64
bank = np.load(sys.argv[1], mmap_mode="r")
neighbours.search(bank[:16], bank[:6000], 3)  # what libraries reserve at their first use
approximate.search(bank[:16], bank[:500], 3, "ivf", 0)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
most = 1024 * int(status["VmData"].split()[0]) + int(float(sys.argv[2]) * bank.nbytes)
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
_, exact = neighbours.search(bank[::1000], bank, 3)
assert (exact[:, 0] == np.arange(0, len(bank), 1000)).all()
if len(sys.argv) > 3:
    _, rows, told = approximate.search(bank[::1000], bank, 3, sys.argv[3], 0)
    assert (rows[:, 0] == np.arange(0, len(bank), 1000)).all()
    assert told["recall"] > 0.3
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the kernel's of Linux")
@pytest.mark.parametrize("arguments", [["0.25"], ["0.75", "ivf"]], ids=["exact", "ivf"])
def test_a_map_is_searched_in_a_fraction_of_the_memory_that_it_would_take(arguments: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", np.random.default_rng(3).normal(size=(200_000, 256)).astype(np.float32))
    given = [sys.executable, "-c", SEARCH_OF_A_MAP, str(tmp_path / "bank.npy"), *arguments]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
