"""verify --rerun: cells are computed again from the start; a number or data that changed is told by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from repbench import cli
from tests.forge import table_of, write_forged


def call(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["repbench", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return int(stop.value.code or 0)


@pytest.fixture
def results(colours: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(colours)
    where = ("--plugin", "colours.toml", "--data", "data", "--out", "results", "--store", "store", "--quiet")
    assert call("run", "control:pixels,name=mine", "control:random", "--tasks", "knn/colours", *where) == 0
    return colours / "results"


AGAIN = ("verify", "results", "--rerun", "9", "--plugin", "colours.toml", "--data", "data")


def test_every_cell_holds_also_one_whose_row_has_a_name_of_its_own(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(results.rglob("mine*/**/colours.json"))
    record = table_of(path)
    record["circumstances"]["command"] = "repbench run control:pixels,name=mine control:random"
    write_forged(path, record)
    assert call(*AGAIN) == 0
    assert "2 results computed from the start: 2 hold, 0 do not" in capsys.readouterr().out


def test_a_number_that_was_changed_does_not_hold(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(results.rglob("control-random*/**/colours.json"))
    record = table_of(path)
    record["metrics"][record["primary"]]["value"] += 0.01
    write_forged(path, record)
    assert call(*AGAIN) == 1
    assert "control:random on knn/colours: accuracy was" in capsys.readouterr().out


def test_data_that_changed_are_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = results.parent / "data/colours/test/red"
    (images / "00.png").write_bytes((images / "01.png").read_bytes())
    assert call(*AGAIN) == 1
    assert "control:random on knn/colours: dataset_fingerprint was" in capsys.readouterr().out


def test_without_results_there_is_nothing_to_compute(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert call("verify", str(tmp_path / "empty"), "--rerun", "1") == 2
