"""The committed reference board is what its records give: every number is recomputed from the examples."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from repbench.results.files import write_record
from tests.leaderboard.test_tables import record

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


@pytest.mark.parametrize("board", [commit.REFERENCE, commit.TRAINED], ids=lambda board: board.name)
def test_a_committed_board_holds(board: Path) -> None:
    if not (board / commit.ARCHIVE).is_file():
        pytest.skip(f"leaderboard/{board.name} is not committed: make reference")
    found = commit.check(board)
    assert not found.problems
    assert found.records > 100
    assert sum(path.stat().st_size for path in board.iterdir()) < commit.MOST
