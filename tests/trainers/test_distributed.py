"""Two processes that torchrun starts train as one: the same losses and weights at the same batch, with gathered negatives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import repbench

METHODS: dict[str, dict[str, Any]] = {  # none with a batch norm, of which each process on a CPU sees its own share
    "simclr": {"arch": "timm:test_vit", "options": {"head": "8"}},
    "cpc-image": {"options": {"rows": 1}},
    "lie-mae": {"options": {"group": "thing", "lie": 1.0, "euclidean": 1.0}},
}
PLACES = "plugins=[root + '/colours.toml', root + '/things.toml'], data_folder=root + '/data'"
SETTINGS = "log=lambda line: None, size=16, epochs=2, batch_size=12, lr=1e-3, optimizer='sgd'"
RUN = f"""
import sys, torch
torch.set_num_threads(1)
import repbench
folder, root = sys.argv[1:]
if torch.distributed.is_torchelastic_launched():
    torch.distributed.init_process_group("gloo")
for name, given in {METHODS!r}.items():
    data = "things" if name.startswith("lie") else "colours"
    repbench.train(name, data, out=f"{{folder}}/{{name}}.safetensors", {PLACES}, {SETTINGS}, **given)
"""
THINGS = """
title = "Colours, each thing in two poses"
metric = "accuracy"
classes = 2
label = "kind"
factors = ["thing"]
[splits]
train = 24
[sources.table]
path = "things/table.csv"
columns = { image = "file" }
"""


def write_things(root: Path) -> None:
    """Twelve things of two pictures each."""
    (root / "data" / "things").mkdir(parents=True)
    rows = []
    for place in range(24):
        pixels = np.random.default_rng(place).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "data" / "things" / f"{place}.png")
        rows.append((f"{place}.png", place // 2 % 2, place // 2, "train"))
    pd.DataFrame(rows, columns=["file", "kind", "thing", "split"]).to_csv(root / "data" / "things" / "table.csv", index=False)
    (root / "things.toml").write_text(THINGS)


def test_two_processes_are_one(colours: Path) -> None:
    write_things(colours)
    script = colours / "run.py"
    script.write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": str(Path(repbench.__path__[0]).parent), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for how, folder in ((torchrun, colours / "two"), ([], colours / "one")):
        command = [sys.executable, *how, str(script), str(folder), str(colours)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    for name in METHODS:
        one, two = (colours / folder / f"{name}.safetensors" for folder in ("one", "two"))
        losses = [[row["loss"] for row in json.loads(path.with_suffix(".json").read_text())["curve"]] for path in (one, two)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5), name
        first, second = load_file(one), load_file(two)
        for key, value in first.items():
            torch.testing.assert_close(second[key], value, rtol=1e-3, atol=1e-5)
