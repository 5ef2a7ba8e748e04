"""The Ray engine on a real cluster of several nodes on one machine: the bytes of the local one, also when a node is lost."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repbench import cli
from repbench.leaderboard.publish import publish
from repbench.leaderboard.tables import make_board
from repbench.results.files import read_records

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'repbench[ray]'")

SLOW = """
import os, sys, time
import torch
from repbench.encoder import Encoder, Tower
from repbench.encoders.preprocess import ImagePreprocess


class Slow(torch.nn.Module):
    def forward(self, pixels):
        if "ray" in sys.modules:  # in a process of the cluster: say on which node, and take so long that it can be killed
            node = sys.modules["ray"].get_runtime_context().get_node_id()
            with open("began", "a") as stream:
                stream.write(node + "\\n")
            if not os.path.exists("killed"):
                time.sleep(1)
        return pixels.flatten(1)


def load():
    tower = Tower(prepare=ImagePreprocess(size=8, resize=8), module=Slow().eval(), dim=192, fingerprint="slow")
    return Encoder(name="slow", towers={"image": tower})
"""
TASKS = "knn/colour*,linear-probe/colour*,alignment-uniformity/colour*,zero-shot/colour*"


def run(root: Path, out: str, *more: str) -> int:
    arguments = ["run", "slow.py:load", "control:random", "--tasks", TASKS, "--quiet", "--batch-size", "8"]
    places = ["--plugin", "colours.toml", "--data", "data", "--out", out, "--store", f"{out}-store"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(sys, "argv", ["repbench", *arguments, *places, *more])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return int(stop.value.code or 0)


def contents(results: Path) -> dict[str, bytes]:
    """Every file of results by its path, records without circumstances (seconds, command), and every form of the board."""
    records = [replace(record, circumstances={}) for record in read_records(results)]
    board = {path.name: path.read_bytes() for path in publish(make_board(records), results.with_suffix(".board"))}
    examples = {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*.parquet")}
    return board | examples | {f"{one.encoder} {one.task}": one.to_json().encode() for one in records}


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "memory": 4 << 30, "object_store_memory": 80 << 20}
    made = Cluster(initialize_head=True, head_node_args={**size, "num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(**size)
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_a_node_that_is_killed_in_the_middle_changes_no_byte(colours: Path, cluster: Any) -> None:
    (colours / "slow.py").write_text(SLOW)
    killed: list[str] = []

    def kill() -> None:
        began = colours / "began"
        while not began.is_file() or not began.read_text().endswith("\n"):
            time.sleep(0.02)
        busy = began.read_text().split()[0]
        (node,) = [node for node in cluster.worker_nodes if node.node_id == busy]
        cluster.remove_node(node, allow_graceful=False)
        (colours / "killed").touch()
        killed.append(busy)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert run(colours, "spread", "--engine", "ray", "--address", cluster.address) == 0
    killer.join(timeout=1)
    assert len(killed) == 1
    assert set((colours / "began").read_text().split()) > set(killed)
    os.environ.pop("RAY_ADDRESS", None)
    assert run(colours, "alone") == 0
    alone = contents(colours / "alone")
    assert contents(colours / "spread") == alone
    assert {"slow.py:load knn/colours", "slow.py:load linear-probe/colours", "control:random zero-shot/colours"} <= set(alone)
