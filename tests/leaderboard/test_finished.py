"""A large board that is finished already is not made again, and is made again as soon as anything of it changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from repbench.cli.board import leaderboard
from repbench.leaderboard import finished, gather
from tests.leaderboard.test_memory import write


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (gather, finished):
        monkeypatch.setattr(module, "MANY", 1)
    for place in range(3):
        write(tmp_path / "results", f"e{place}", place)
    return tmp_path / "results"


def made(results: Path, out: Path) -> tuple[str, str, dict[str, bytes]]:
    """How the files were come by, what was printed, and what the files hold."""
    result = CliRunner().invoke(leaderboard, [str(results), "--out", str(out)], catch_exceptions=False)
    lines = result.output.splitlines()
    how = {line.split()[0] for line in lines[-6:]}
    assert len(how) == 1
    return how.pop(), "\n".join(lines[:-6]), {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def test_the_second_call_leaves_everything_as_it_is_and_prints_the_same(results: Path, tmp_path: Path) -> None:
    first, second = (made(results, tmp_path / "board") for _ in range(2))
    assert (first[0], second[0]) == ("wrote", "unchanged")
    assert first[1:] == second[1:]


@pytest.mark.parametrize("change", ["record", "board", "program", "folder"])
def test_whatever_changed_makes_it_anew(results: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "board"
    made(results, out)
    if change == "record":
        write(results, "late", 7)
    elif change == "board":
        (out / "leaderboard.csv").write_text("mine")
    elif change == "program":
        monkeypatch.setattr(finished, "_program", lambda: ["another"])
    else:
        out = tmp_path / "elsewhere"
    how, printed, files = made(results, out)
    assert how == "wrote"
    assert made(results, out) == ("unchanged", printed, files)
    assert ("late" in printed) == (change == "record")
    monkeypatch.setattr(gather, "MANY", 10**6)
    monkeypatch.setattr(finished, "MANY", 10**6)
    assert made(results, tmp_path / "read anew") == ("wrote", printed, files)


def test_a_small_board_is_always_made(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "MANY", 10**6)
    assert [made(results, tmp_path / "board")[0] for _ in range(2)] == ["wrote", "wrote"]
