"""Scores while training: the live encoder, and the checkpoints of any run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from click.testing import CliRunner

import repbench
from repbench.cli.training import watch as watch_command
from repbench.errors import UsageError
from repbench.watching import checkpoints, run_of, step_of, watch


def quiet(line: str) -> None:
    """No progress."""


def test_a_run_that_is_scored_ends_at_the_same_weights(tmp_path: Path) -> None:
    settings = {"limit": 30, "epochs": 2, "batch_size": 15, "size": 16, "log": quiet}
    plain, scored = tmp_path / "plain.safetensors", tmp_path / "scored.safetensors"
    repbench.train("simclr", "digits", out=plain, **settings)
    repbench.train("simclr", "digits", out=scored, evaluate="knn/digits", every=1, **settings)
    assert plain.read_bytes() == scored.read_bytes()
    table = pd.read_csv(tmp_path / "scored.quality.csv")
    assert table.step.tolist() == [2, 4]
    again = repbench.evaluate(f"trained:{scored}", "knn/digits", store=tmp_path / "store", quiet=True)
    assert table.value.iloc[-1] == pytest.approx(again.value.iloc[0])
    assert (tmp_path / "scored.quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_watch_scores_checkpoints_of_others_and_makes_a_board(colours: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "runs", tmp_path / "board"
    folder.mkdir()
    for step in (10, 20):
        torch.manual_seed(step)
        torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), folder / f"moco-step-{step}.pt")
    (folder / "moco.state.pt").write_bytes(b"under way")
    (folder / "broken-30.pt").write_bytes(b"PK\x03\x04 and then nothing")
    lines: list[str] = []
    options = {"plugins": [colours / "colours.toml"], "data": colours / "data"}
    watch(
        folder,
        "knn/colours",
        out=out,
        arch="timm:test_resnet",
        interval=0,
        once=True,
        log=lines.append,
        **options,  # type: ignore[arg-type]
    )
    table = pd.read_csv(out / "quality.csv")
    assert table.step.tolist() == [10, 20]
    assert set(table.run) == {"moco"}
    assert any("broken-30.pt" in line and "damaged" in line for line in lines)
    assert (out / "leaderboard.csv").is_file()


def test_a_run_is_scored_at_its_end_also_within_an_epoch(tmp_path: Path) -> None:
    """Three steps of two an epoch: scored after the second by --every 1, and after the third, where it ends."""
    out = tmp_path / "run.safetensors"
    settings = {"limit": 30, "steps": 3, "batch_size": 15, "size": 16, "log": quiet}
    repbench.train("simclr", "digits", out=out, evaluate="knn/digits", every=1, **settings)
    assert pd.read_csv(tmp_path / "run.quality.csv").step.tolist() == [2, 3]


def test_a_watch_follows_the_snapshots_of_our_own_run_and_writes_its_board_after_each(tmp_path: Path) -> None:
    folder, board, lines = tmp_path / "runs", tmp_path / "board", []
    settings = {"limit": 30, "epochs": 3, "batch_size": 15, "size": 16, "log": quiet}
    repbench.train("simclr", "digits", out=folder / "simclr-1.safetensors", keep_every=1, **settings)
    names = [path.name for path in checkpoints(folder)]
    assert names == ["simclr-1-epoch-1.safetensors", "simclr-1-epoch-2.safetensors", "simclr-1.safetensors"]
    described = json.loads((folder / "simclr-1-epoch-2.json").read_text())
    assert (described["steps"], len(described["curve"])) == (4, 2)
    watch(folder, "knn/digits", out=board, arch=None, interval=0, once=True, log=lines.append)
    table = pd.read_csv(board / "quality.csv")
    assert (table.run.tolist(), table.step.tolist()) == (["simclr-1"] * 3, [2, 4, 6])
    assert sum(line.startswith("board and quality.png") for line in lines) == 3


def test_no_snapshots_are_an_error_before_training(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--keep-every 0"):
        repbench.train("simclr", "digits", out=tmp_path / "run.safetensors", keep_every=0, limit=30)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_checkpoints_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        watch(tmp_path, "knn/digits", out=tmp_path / "out", arch=None, interval=0, once=True, log=quiet)


def test_scores_while_training_are_of_data_in_a_folder_and_of_this_run_alone(colours: Path) -> None:
    lines: list[str] = []
    out = colours / "run.safetensors"
    call: dict[str, Any] = {
        "out": out,
        "data_folder": colours / "data",
        "plugins": [colours / "colours.toml"],
        "options": {"head": 16},  # a number on the command line: one layer
        "evaluate": "knn/colours",
        "every": 1,
        "epochs": 1,
        "batch_size": 15,
        "size": 16,
        "log": lines.append,
    }
    quality = out.with_suffix(".quality.csv")
    quality.write_text(
        "run,step,task,metric,value\nrun.safetensors,1,knn/colours,accuracy,0.123\n"
    )  # of a run that was deleted
    repbench.train("simclr", "colours", **call)
    table = pd.read_csv(quality)
    assert table.task.tolist() == ["knn/colours"]
    assert table.value.tolist() != [0.123]
    assert any("knn/colours" in line for line in lines)
    described = json.loads(out.with_suffix(".json").read_text())
    assert step_of(out, 7) == described["steps"] != 7


def test_a_task_that_fails_while_training_says_why(tmp_path: Path) -> None:
    lines: list[str] = []
    out = tmp_path / "run.safetensors"
    repbench.train("simclr", "digits", out=out, evaluate="knn/cifar10", every=1, epochs=1, limit=30, log=lines.append)
    assert any("knn/cifar10 failed: " in line for line in lines)
    assert not out.with_suffix(".quality.csv").exists()


def test_a_seed_in_the_name_of_ours_is_no_step(tmp_path: Path) -> None:
    ours = tmp_path / "simclr-seed-1.safetensors"
    ours.with_suffix(".json").write_text('{"steps": 30}')
    assert (step_of(ours, 0), run_of(ours)) == (30, "simclr-seed-1")
    assert run_of(tmp_path / "simclr-epoch-40.pt") == run_of(tmp_path / "simclr-40.pt") == "simclr"


def test_a_watch_of_a_wrong_name_ends_before_it_waits(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="knn/digts"):
        watch(tmp_path, "knn/digts", out=tmp_path / "out", arch=None, interval=0, once=False, log=quiet)


def test_a_board_lies_beside_the_folder_that_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr("repbench.watching.watch", lambda folder, tasks, **options: told.update(folder=folder, **options))
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    cli = CliRunner().invoke(watch_command, ["runs", "--tasks", "knn/digits", "--once"])
    assert cli.exit_code == 0, cli.output
    assert told["out"] == tmp_path / "runs-board"


def test_steps_are_read_from_names() -> None:
    assert step_of(Path("simclr-epoch-0040.pt"), 3) == 40
    assert step_of(Path("last.pt"), 3) == 3
    assert checkpoints(Path(__file__).parent) == []
