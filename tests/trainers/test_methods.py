"""What every method promises: it trains, its loss falls, it can be evaluated, and it resumes to the same weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import repbench
from repbench.trainers.loop import Hooks
from repbench.trainers.method import find_method, method_names

OTHERS = ("cpc-audio", "clip", "blip", "lie-simclr", "lie-vicreg", "lie-mae")  # need other data; they have tests of their own
IMAGES = [name for name in method_names() if name not in OTHERS]
SETTINGS: dict[str, Any] = {"epochs": 2, "batch_size": 10, "save_every": 0.0, "lr": 2e-3}


class Stopped(Exception):
    """Raised in the place of a kill."""


def stop_at(step: int) -> Hooks:
    def stop(now: int) -> None:
        if now == step:
            raise Stopped

    return Hooks(step=stop)


def quiet(line: str) -> None:
    """No progress."""


@pytest.mark.parametrize("name", IMAGES)
def test_a_method_trains_resumes_and_is_evaluated(colours: Path, name: str) -> None:
    given: dict[str, Any] = {"data_folder": colours / "data", "plugins": [colours / "colours.toml"], "log": quiet, **SETTINGS}
    whole, cut = colours / "whole.safetensors", colours / "cut.safetensors"
    encoder = repbench.train(name, "colours", out=whole, **given)
    with pytest.raises(Stopped):
        repbench.train(name, "colours", out=cut, hooks=stop_at(4), **given)
    repbench.train(name, "colours", out=cut, **given)
    assert whole.read_bytes() == cut.read_bytes()
    losses = [row["loss"] for row in json.loads(whole.with_suffix(".json").read_text())["curve"]]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    table = repbench.evaluate(
        encoder, "knn/colours", data=colours / "data", plugins=[colours / "colours.toml"], store=colours / "store", quiet=True
    )
    assert 0 <= float(table[table.metric == "accuracy"].value.iloc[0]) <= 1


def test_every_method_says_what_it_does() -> None:
    for name in method_names():
        found = find_method(name)
        module = __import__(found.make.__module__, fromlist=["HELP"])
        assert module.HELP
        assert "20" in module.__doc__ or name in ("supervised",), f"{name} names no source with its year"
