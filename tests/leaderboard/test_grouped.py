"""Groups from stored predictions, and two encoders beside each other, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from repbench import cli
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.grouped import grouped


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["repbench", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_any_record_is_grouped_by_a_factor_without_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path / "store"))
    results = str(tmp_path / "results")
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "knn/speakers", "--out", results, "--quiet") == 0
    capsys.readouterr()
    assert call(monkeypatch, "groups", results, "--by", "voice") == 0
    assert "worst voice" in capsys.readouterr().out
    board, read = open_board([Path(results)])
    (cell,) = grouped(board, read, "voice")
    examples = read(board.done[0])
    assert examples is not None
    by_voice = examples.groupby("voice")["score"].mean()
    assert cell.gap == pytest.approx(by_voice.max() - by_voice.min())
    assert cell.worst is not None
    assert cell.worst.value == by_voice.idxmin()
    assert call(monkeypatch, "groups", results, "--by", "voyce") == 2
    assert "Did you mean 'voice'" in capsys.readouterr().err


def test_groups_of_a_calibration_record_are_by_accuracy_and_not_by_its_brier_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path / "store"))
    results = str(tmp_path / "results")
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "calibration/emoji-styles", "--out", results, "--quiet") == 0
    board, read = open_board([Path(results)])
    (cell,) = grouped(board, read, "category")
    examples = read(board.done[0])
    assert examples is not None
    right = (examples["prediction"] == examples["truth"]).groupby(examples["category"])
    accuracy = right.mean()[right.size() >= 10]
    assert cell.worst is not None
    assert cell.worst.value == accuracy.idxmin()
    assert cell.gap == pytest.approx(accuracy.max() - accuracy.min())


def test_two_encoders_are_compared_on_the_same_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path / "store"))
    assert call(monkeypatch, "similarity", "control:pixels", "control:pixels", "--sample", "60") == 0
    same = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert {name: float(value) for name, value in same.items()} == {"cka": 1.0, "rsa": 1.0, "mutual-neighbours": 1.0}
    assert call(monkeypatch, "similarity", "control:pixels", "control:random", "--sample", "200") == 0
    other = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert abs(float(other["cka"])) < 0.1
    assert call(monkeypatch, "similarity", "packaged:minilm", "control:random", "--sample", "60") == 2
    assert "has towers for text; the items of digits are image" in capsys.readouterr().err
