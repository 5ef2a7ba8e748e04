"""Two processes that torchrun starts train as one: the same losses and weights at the same batch, with gathered negatives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import repbench

RUN = """
import sys, torch
torch.set_num_threads(1)
import repbench
out, root = sys.argv[1:]
repbench.train("simclr", "colours", out=out, data_folder=root + "/data", plugins=[root + "/colours.toml"],
               log=lambda line: None, arch="timm:test_vit", size=16,
               epochs=2, batch_size=12, lr=1e-3, optimizer="sgd", options={"head": "8"})
"""


def train(out: Path, root: Path) -> None:
    """The same run in this process."""
    repbench.train(
        *("simclr", "colours"),
        out=out,
        data_folder=root / "data",
        plugins=[root / "colours.toml"],
        log=lambda line: None,
        arch="timm:test_vit",
        size=16,
        epochs=2,
        batch_size=12,
        lr=1e-3,
        optimizer="sgd",
        options={"head": "8"},
    )


def test_two_processes_are_one(colours: Path) -> None:
    script = colours / "run.py"
    script.write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": str(Path(repbench.__path__[0]).parent), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    one, two = colours / "one.safetensors", colours / "two.safetensors"
    command = [sys.executable, *torchrun, str(script), str(two), str(colours)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    train(one, colours)
    losses = [[row["loss"] for row in json.loads(path.with_suffix(".json").read_text())["curve"]] for path in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    first, second = load_file(one), load_file(two)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-3, atol=1e-5)
