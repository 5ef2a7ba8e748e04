"""A board that remembers says what a board that reads everything says, whatever happened to the files in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repbench.leaderboard import gather, remembered
from repbench.leaderboard.curves import curves_of
from repbench.leaderboard.gather import Examples, open_board
from repbench.leaderboard.judge import judge, paired_errors
from repbench.results.files import record_path, write_record
from tests.leaderboard.test_tables import INPUTS, record

TASKS = ("knn/x", "knn/y", "linear-probe/x")


def write(results: Path, name: str, seed: int, count: int = 40) -> None:
    rng = np.random.default_rng(seed)
    for task in TASKS:
        frame = pd.DataFrame({"id": [f"i{k}" for k in range(count)], "truth": ["a", "b"] * (count // 2)})
        frame["score"] = (rng.random(count) < 0.5 + seed / 20).astype(float)
        if task == "knn/y":
            frame["cluster"] = frame["id"].str[:2]
        frame = frame.sample(frac=1, random_state=seed)
        write_record(results, record(name, task, float(frame.score.mean()), n=count), frame)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(gather, "MANY", 1)
    for place in range(4):
        write(tmp_path / "results", f"e{place}", place)
    return tmp_path / "results"


def as_read(results: Path) -> tuple[object, ...]:
    board, read = open_board([results])
    assert read.memory is None
    return board.done, judge(board, read), paired_errors(board, read), curves_of(board, read)


def as_remembered(results: Path) -> tuple[object, ...]:
    board, read = open_board([results], remember=True)
    assert read.memory is not None
    parts = (remembered.judge_board, remembered.errors_board, remembered.curves_board)
    return board.done, *(part(board, read) for part in parts)


def test_it_tells_the_same_first_and_again_and_then_reads_no_examples(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_remembered(results) == as_read(results)
    want = as_read(results)
    monkeypatch.setattr(Examples, "__call__", lambda *_: pytest.fail("examples were read again"))
    assert as_remembered(results) == want


def test_only_what_is_new_is_read(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_remembered(results)
    write(results, "late", 7)
    want, seen, reading = as_read(results), [], Examples.__call__
    monkeypatch.setattr(Examples, "__call__", lambda self, one: seen.append(one.encoder) or reading(self, one))
    board, read = open_board([results], remember=True)
    assert remembered.judge_board(board, read) == want[1]
    assert set(seen) == {"late"}


@pytest.mark.parametrize("change", ["rewritten", "removed", "other examples", "without examples"])
def test_a_file_that_changed_is_read_anew(results: Path, change: str) -> None:
    as_remembered(results)
    path = record_path(results, "e2", "knn/x", INPUTS)
    if change == "rewritten":
        write(results, "e2", 9)
    elif change == "removed":
        path.unlink()
    elif change == "other examples":
        write(results, "e2", 9, count=20)
    else:
        path.with_suffix(".parquet").unlink()
    assert as_remembered(results) == as_read(results)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}", b"\x80\x04K\x01."])
def test_a_damaged_memory_is_made_anew(results: Path, content: bytes) -> None:
    want = as_remembered(results)
    for path in results.parent.joinpath("cache").rglob("*.*"):
        path.write_bytes(content)
    assert as_remembered(results) == want == as_read(results)


def test_what_a_run_was_told_is_remembered(results: Path) -> None:
    told = replace(record("e1", "knn/x", 0.5), inputs=replace(INPUTS, told=("steps=20",)))
    write_record(results, told, None)
    as_remembered(results)
    assert as_remembered(results) == as_read(results)


def test_two_networks_of_one_name_are_told_apart(results: Path) -> None:
    write_record(results, replace(record("e1", "knn/x", 0.5), inputs=replace(INPUTS, encoder_fingerprint="f" * 12)), None)
    as_remembered(results)
    assert as_remembered(results) == as_read(results)


def test_a_cache_that_cannot_be_written_changes_nothing(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert as_remembered(results) == as_read(results)
