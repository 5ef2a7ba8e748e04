"""The loop: killed at any step it resumes to the same weights; the schedule, the average, the order of items."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import repbench
from repbench.encoders.load import LoadOptions
from repbench.errors import TrainingError, UnknownNameError, UsageError
from repbench.trainers import loop
from repbench.trainers import train as run_module
from repbench.trainers.batches import Examples, batches, epoch_order
from repbench.trainers.interrupt import asked_to_end
from repbench.trainers.loop import Hooks
from repbench.trainers.schedule import learning_rate, momentum
from repbench.trainers.settings import TrainSettings

SMALL: dict[str, Any] = {"epochs": 3, "batch_size": 8, "size": 16, "ema": 0.9, "save_every": 0.0}
KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
import repbench
from repbench.trainers.loop import Hooks
def stop(step):
    if step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
repbench.train("simclr", "colours", out=sys.argv[1], data_folder=sys.argv[2], plugins=[sys.argv[3]], log=lambda line: None,
               hooks=Hooks(step=stop), epochs=3, batch_size=8, size=16, ema=0.9, save_every=0.0)
"""


def quiet(line: str) -> None:
    """No progress."""


def train(colours: Path, out: Path, method: str = "simclr", **settings: Any) -> repbench.Encoder:
    return repbench.train(
        method, "colours", out=out, data_folder=colours / "data", plugins=[colours / "colours.toml"], log=quiet, **settings
    )


def test_without_matplotlib_a_run_says_how_its_curve_is_drawn(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, said = colours / "plain.safetensors", list[str]()
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as where it is not installed
    places: dict[str, Any] = {"data_folder": colours / "data", "plugins": [colours / "colours.toml"]}
    repbench.train("simclr", "colours", out=out, log=said.append, **places, **{**SMALL, "epochs": 1})
    assert any("plain.png is not drawn" in line and "pip install 'repbench[train]'" in line for line in said)
    assert out.is_file()
    assert not out.with_suffix(".png").exists()


def test_a_killed_run_goes_on_to_the_same_weights_bit_for_bit(colours: Path) -> None:
    whole, killed = colours / "whole.safetensors", colours / "killed.safetensors"
    train(colours, whole, **SMALL)
    arguments = [str(killed), str(colours / "data"), str(colours / "colours.toml")]
    path = os.pathsep.join(str(Path(module.__path__[0]).parent) for module in (repbench,))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not killed.exists()
    train(colours, killed, **SMALL)  # in the middle of the second epoch
    assert whole.read_bytes() == killed.read_bytes()
    first, second = (json.loads(path.with_suffix(".json").read_text()) for path in (whole, killed))
    assert [row["loss"] for row in first["curve"]] == [row["loss"] for row in second["curve"]]


def test_a_state_of_other_settings_is_refused_and_kept(colours: Path) -> None:
    out = colours / "run.safetensors"
    train(colours, out, **SMALL)
    state = out.with_suffix(".state.pt").read_bytes()
    with pytest.raises(TrainingError, match="other settings"):
        train(colours, out, **{**SMALL, "lr": 0.5})
    assert out.with_suffix(".state.pt").read_bytes() == state


def test_the_files_say_what_was_done(colours: Path) -> None:
    out = colours / "run.safetensors"
    encoder = train(colours, out, **SMALL)
    about = json.loads(out.with_suffix(".json").read_text())
    assert about["method"] == "simclr"
    assert about["data"]["split"] == "train"
    assert encoder.notes["method"] == "simclr"
    with out.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_long_epoch_tells_of_itself(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three steps an epoch: after each where word is due, else after each epoch; and the weights are the same."""
    said: dict[float, list[str]] = {}
    for every in (0.0, 1000.0):
        monkeypatch.setattr(loop, "WORD_EVERY", every)
        lines = said.setdefault(every, [])
        places: dict[str, Any] = {"data_folder": colours / "data", "plugins": [colours / "colours.toml"], "log": lines.append}
        repbench.train("simclr", "colours", out=colours / f"run-{every}.safetensors", **places, **{**SMALL, "epochs": 2})
    epochs = {every: [line.split()[1] for line in lines if line.startswith("epoch")] for every, lines in said.items()}
    assert epochs == {0.0: ["0.333/2", "0.667/2", "1/2", "1.333/2", "1.667/2", "2/2"], 1000.0: ["1/2", "2/2"]}
    assert all(line.endswith("s left") and "items/s" in line for line in said[0.0] if line.startswith("epoch"))
    assert (colours / "run-0.0.safetensors").read_bytes() == (colours / "run-1000.0.safetensors").read_bytes()


INTERRUPTED = KILLED.replace("SIGKILL", "SIGINT").replace("save_every=0.0", "save_every=1000.0")


def test_an_interrupt_ends_the_step_and_saves_so_that_nothing_is_lost(colours: Path) -> None:
    whole, stopped = colours / "whole.safetensors", colours / "stopped.safetensors"
    train(colours, whole, **SMALL)
    arguments = [str(stopped), str(colours / "data"), str(colours / "colours.toml")]
    environment = {**os.environ, "PYTHONPATH": str(Path(repbench.__path__[0]).parent), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED, *arguments], env=environment, capture_output=True, check=False)
    assert b"KeyboardInterrupt" in ended.stderr
    state = torch.load(stopped.with_suffix(".state.pt"), weights_only=True)
    assert state["step"] == 6  # the signal came after the fifth
    train(colours, stopped, **SMALL)
    assert whole.read_bytes() == stopped.read_bytes()


def test_a_second_interrupt_is_one_at_once() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is begun with it ignored
    try:
        with asked_to_end() as asked:
            signal.raise_signal(signal.SIGINT)
            assert asked.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("is_asked", "expected"), [(True, KeyboardInterrupt), (False, RuntimeError)])
def test_processes_that_an_interrupt_ended_are_no_error(is_asked: bool, expected: type[BaseException]) -> None:
    def run() -> None:
        with asked_to_end() as asked:
            if is_asked:
                asked.set()
            raise RuntimeError("a process that decodes is gone")

    with pytest.raises(expected):
        run()


def test_a_finished_run_keeps_what_it_says_of_itself_and_is_scored_when_that_is_asked_later(colours: Path) -> None:
    out, said = colours / "run.safetensors", list[str]()
    places: dict[str, Any] = {"data_folder": colours / "data", "plugins": [colours / "colours.toml"], "log": said.append}
    repbench.train("simclr", "colours", out=out, **places, **SMALL)
    described = json.loads(out.with_suffix(".json").read_text())
    marked = {**described, "versions": {"repbench": "of then"}}
    out.with_suffix(".json").write_text(json.dumps(marked))
    repbench.train("simclr", "colours", out=out, evaluate="knn/colours", every=1, **places, **SMALL)
    assert json.loads(out.with_suffix(".json").read_text())["versions"] == {"repbench": "of then"}
    assert any(line.startswith("nothing to train: it ended after step 9") for line in said)
    assert f"{out} is there already" in said
    with out.with_suffix(".quality.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["9"]


def test_what_is_done_between_epochs_does_not_slow_the_rate(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a look takes a second of, and what is done between epochs a thousand."""
    clock = [0.0]

    def look() -> float:
        clock[0] += 1.0
        return clock[0]

    def between(reached: loop.Reached) -> None:
        clock[0] += 1000.0

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=look))
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 8, "size": 16, "hooks": Hooks(epoch=between)}
    train(colours, colours / "slow.safetensors", **settings)
    rates = [row["rate"] for row in json.loads((colours / "slow.json").read_text())["curve"]]
    assert min(rates) > 1  # items a second: 24 an epoch, in a few looks


def test_the_part_of_an_epoch_in_which_a_run_ends_is_in_the_curve(colours: Path) -> None:
    """Three steps are an epoch: a run of 2 steps, and one of 4."""
    for steps, epochs, places in ((2, ["0.667"], ["2"]), (4, ["1", "1.333"], ["3", "4"])):
        out = colours / f"run-{steps}.safetensors"
        train(colours, out, steps=steps, batch_size=8, size=16)
        with out.with_suffix(".csv").open() as file:
            rows = list(csv.DictReader(file))
        assert ([row["epoch"] for row in rows], [row["step"] for row in rows]) == (epochs, places)
        assert out.with_suffix(".png").exists()


def test_the_commit_is_of_our_own_checkout_and_not_of_the_repository_around_an_installed_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "--message", "of the reader")
    installed = tmp_path / "env" / "lib" / "repbench" / "trainers" / "train.py"
    monkeypatch.setattr(run_module, "__file__", str(installed))
    installed.parent.mkdir(parents=True)
    assert "commit" not in run_module.versions()
    monkeypatch.setattr(run_module, "__file__", str(tmp_path / "bench" / "repbench" / "trainers" / "train.py"))
    assert len(run_module.versions()["commit"]) >= 7  # and where the folders are those of a checkout, it is told


def test_no_epochs_give_the_random_twin(colours: Path) -> None:
    twin = train(colours, colours / "twin.safetensors", epochs=0, size=16, seed=4)
    random = repbench.load_encoder("random:small:resnet,size=16", LoadOptions(seed=4))
    pixels = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(twin.towers["image"].module(pixels), random.towers["image"].module(pixels), rtol=0, atol=0)


def test_what_is_exported_is_the_average_of_the_weights(colours: Path) -> None:
    train(colours, colours / "run.safetensors", **SMALL)
    state = torch.load(colours / "run.state.pt", weights_only=True)
    exported = load_file(colours / "run.safetensors")["image.network.conv1.weight"]
    torch.testing.assert_close(exported, state["averaged"]["module.encoder.network.conv1.weight"], rtol=0, atol=0)
    assert not torch.equal(exported, state["method"]["encoder.network.conv1.weight"])


def test_training_lowers_the_loss_and_accumulation_takes_fewer_steps(colours: Path) -> None:
    settings = {"epochs": 6, "batch_size": 10, "size": 16, "lr": 0.003}
    train(colours, colours / "one.safetensors", "supervised", **settings)
    about = json.loads((colours / "one.json").read_text())
    assert about["steps"] == 18
    assert about["curve"][-1]["loss"] < about["curve"][0]["loss"]
    train(colours, colours / "three.safetensors", "supervised", accumulate=3, **settings)
    assert json.loads((colours / "three.json").read_text())["steps"] == 6


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_no_encoder(colours: Path) -> None:
    with pytest.raises(TrainingError, match="A lower --lr"):
        train(colours, colours / "wild.safetensors", "supervised", lr=1e30, optimizer="sgd", epochs=3, batch_size=10, size=16)
    assert not (colours / "wild.safetensors").exists()


def test_wrong_names_stop_before_anything_is_written(colours: Path) -> None:
    out = colours / "new" / "run.safetensors"
    with pytest.raises(UnknownNameError, match="simclr"):
        train(colours, out, "simclrr")
    with pytest.raises(UsageError, match=r"unknown key 'tau'"):
        repbench.train(
            *("simclr", "colours"),
            out=out,
            plugins=[colours / "colours.toml"],
            data_folder=colours / "data",
            options={"tau": 1},
        )
    with pytest.raises(UnknownNameError, match="adamw"):
        train(colours, out, optimizer="adamww")
    with pytest.raises(UsageError, match=r"\.safetensors"):
        train(colours, colours / "run.pt")
    assert not out.exists()


def test_examples_depend_on_seed_epoch_and_item_alone() -> None:
    examples = Examples(lambda place: {"noise": torch.rand(3)}, np.arange(10), seed=1)
    plain = {"batch_size": 4, "an_epoch": 2, "workers": 0, "pin": False}
    whole = list(batches(examples, start=0, stop=4, **plain))  # type: ignore[arg-type]
    torch.rand(7)
    later = list(batches(examples, start=3, stop=4, **plain))  # type: ignore[arg-type]
    assert torch.equal(whole[3]["noise"], later[0]["noise"])
    assert torch.equal(whole[3]["label"], later[0]["label"])
    forked = list(batches(examples, start=0, stop=4, **{**plain, "workers": 2}))  # type: ignore[arg-type]
    assert all(torch.equal(one["noise"], other["noise"]) for one, other in zip(whole, forked, strict=True))
    assert sorted(epoch_order(10, 0, 1)) == list(range(10))
    assert epoch_order(10, 0, 1) != epoch_order(10, 1, 1)


def test_the_rate_rises_falls_and_the_teacher_slows() -> None:
    rates = [learning_rate(step, total=10, warmup=2, highest=1.0) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in pairwise(rates[2:]))
    assert momentum(0.0, 0.99) == pytest.approx(0.99)
    assert momentum(1.0, 0.99) == 1.0


WRONG = [
    *(("epochs", -1), ("batch_size", 1), ("ema", 1.0), ("precision", "fp64"), ("lr", float("nan")), ("warmup", float("inf"))),
    *(("weight_decay", -1.0), ("size", 0), ("device", "gpu"), ("device", f"cuda:{torch.cuda.device_count()}")),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_settings_out_of_range_are_refused(name: str, value: Any) -> None:
    good = {"arch": "small:resnet", "epochs": 1, "batch_size": 8, "optimizer": "adamw", "lr": 0.1, "weight_decay": 0.0}
    with pytest.raises(UsageError, match=f"{name}.*({value}|{value!r})"):
        TrainSettings(**{**good, name: value})


@pytest.mark.parametrize(
    ("method", "name", "value", "expected"),
    [
        ("simclr", "smallest", -0.5, "above 0, at most 1"),
        ("simclr", "flip", 1.5, "from 0 to 1"),
        ("simclr", "temperature", 0.0, "above 0"),
        ("dino", "prototypes", 0, "2 or more"),
        ("dino", "locals", -1, "0 or more"),
        ("dino", "tiny", 0.9, "is above smallest=0.4"),
        ("cpc-image", "rows", 0, "1 or more"),
        ("cpc-image", "rows", 9, "to be predicted of"),
        ("lie-simclr", "directions", 0, "1 or more"),
        ("lie-simclr", "latent", -3, "0 or more"),
        ("mae", "mask", 0.0, "hides none of"),
        ("vicreg", "variance", float("nan"), "a finite number"),
    ],
)
def test_options_that_no_run_can_mean_are_refused(colours: Path, method: str, name: str, value: Any, expected: str) -> None:
    out = colours / "run.safetensors"
    with pytest.raises(UsageError, match=f"{name}=.*{expected}"):
        train(colours, out, method, options={name: value}, size=16)
    assert not out.exists()


def test_a_size_that_is_no_multiple_of_a_patch_is_refused(colours: Path) -> None:
    with pytest.raises(UsageError, match="size=30 is no multiple of the 4 pixels of a patch"):
        train(colours, colours / "run.safetensors", "mae", size=30)
