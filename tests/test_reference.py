"""The committed reference board is what its records give: every number is recomputed from the examples."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from repbench.results.files import write_record
from tests.leaderboard.test_tables import INPUTS, record

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "reference"))
commit = pytest.importorskip("commit")


def test_what_is_committed_is_small_unpacks_and_repeats_byte_for_byte(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for name, hits in (("a", [1.0, 0.0]), ("b", [1.0, 1.0])):
        examples = pd.DataFrame({"id": ["p", "q"], "truth": ["x", "y"], "score": hits})
        write_record(results, record(name, "knn/x", sum(hits) / 2, n=2), examples)
    made = []
    for place in ("first", "second"):
        commit.write([results], tmp_path / place)
        made.append({path.name: path.read_bytes() for path in (tmp_path / place).iterdir()})
    assert made[0] == made[1]
    commit.unpack(tmp_path / "first", tmp_path / "pack")
    assert len(list((tmp_path / "pack" / "records").rglob("*.parquet"))) == 2
    assert commit.check(tmp_path / "first").records == 2


def test_one_seed_of_each_trained_method_stands_beside_where_it_was_asked_the_same(tmp_path: Path) -> None:
    examples = pd.DataFrame({"id": ["p", "q"], "truth": ["x", "y"], "score": [1.0, 0.0]})
    trained = tmp_path / "trained-results"
    for seed in ("0", "1"):
        notes = {"seed": seed}
        for task, inputs in (
            ("knn/x", INPUTS),
            ("linear-probe/x", replace(INPUTS, dataset_fingerprint="another")),
            ("knn/z", INPUTS),
        ):
            write_record(trained, record(f"m-{seed}", task, 0.5, n=2, notes=notes, inputs=inputs), examples)
    results = tmp_path / "results"
    for task in ("knn/x", "linear-probe/x"):
        write_record(results, record("demo", task, 0.5, n=2), examples)
    commit.write([trained], tmp_path / "trained")
    beside = commit.with_trained([results], tmp_path / "work", tmp_path / "trained")
    commit.write([results, *beside], tmp_path / "reference")
    shown = pd.read_csv(tmp_path / "reference" / "leaderboard.csv").set_index("encoder")
    assert shown.loc[["demo", "m-1"], ["knn/x", "linear-probe/x"]].notna().to_numpy().tolist() == [[True, True], [True, False]]
    assert len(shown) == 2
    assert not commit.check(tmp_path / "reference").problems
    assert commit.with_trained([results], tmp_path / "none", tmp_path / "absent") == []


@pytest.mark.parametrize("board", [commit.REFERENCE, commit.TRAINED], ids=lambda board: board.name)
def test_a_committed_board_holds(board: Path) -> None:
    if not (board / commit.ARCHIVE).is_file():
        pytest.skip(f"leaderboard/{board.name} is not committed: make reference")
    found = commit.check(board)
    assert not found.problems
    assert found.records > 100
    assert sum(path.stat().st_size for path in board.iterdir()) < commit.MOST
