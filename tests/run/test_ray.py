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
from tests.s3 import MISSING

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'repbench[ray]'")

SLOW = """
import os, sys, time
import torch
from repbench.encoder import Encoder, Tower
from repbench.encoders.preprocess import ImagePreprocess


class Slow(torch.nn.Module):
    def forward(self, pixels):
        if "ray" in sys.modules:  # in a process of the cluster: say on which node, and go on when another was killed
            node = sys.modules["ray"].get_runtime_context().get_node_id()
            with open("began", "a") as stream:
                stream.write(node + "\\n")
            for _ in range(600):
                if os.path.exists("killed") and open("killed").read() != node:
                    break
                time.sleep(0.1)
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
    os.environ.pop("RAY_ADDRESS", None)


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
        (colours / "told").write_text(busy)
        (colours / "told").rename(colours / "killed")
        killed.append(busy)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert run(colours, "spread", "--engine", "ray", "--address", cluster.address) == 0
    killer.join(timeout=60)
    assert len(killed) == 1
    assert set((colours / "began").read_text().split()) > set(killed)
    assert run(colours, "alone") == 0
    alone = contents(colours / "alone")
    assert contents(colours / "spread") == alone
    assert {"slow.py:load knn/colours", "slow.py:load linear-probe/colours", "control:random zero-shot/colours"} <= set(alone)


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
@pytest.mark.filterwarnings("ignore")
def test_nodes_that_share_no_disk_meet_on_s3(colours: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs
    from ray.cluster_utils import Cluster

    size = {"memory": 4 << 30, "object_store_memory": 80 << 20}
    (colours / "slow.py").write_text(SLOW)
    (colours / "killed").touch()
    made = Cluster(initialize_head=True, head_node_args={**size, "num_cpus": 0, "include_dashboard": False})
    try:
        for name in ("one", "two"):  # each with a cache of its own, elsewhere than that of the process that plans
            made.add_node(**size, num_cpus=1, env_vars={"XDG_CACHE_HOME": str(colours / name)})
        made.wait_for_nodes()
        monkeypatch.setenv("XDG_CACHE_HOME", str(colours / "driver"))
        there = ("--out", f"{bucket}/results", "--store", f"{bucket}/store", "--engine", "ray", "--address", made.address)
        assert run(colours, "unused", *there) == 0
        files = s3fs.S3FileSystem().find(bucket)
        assert sum(name.endswith(".json") for name in files) == 2 * 4
    finally:
        ray.shutdown()
        made.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
    worked = {path.relative_to(colours).parts[0] for path in colours.rglob("*.safetensors")}
    assert worked <= {"one", "two", "driver"}
    assert worked & {"one", "two"}
    s3fs.S3FileSystem().get(f"{bucket}/results", str(colours / "fetched"), recursive=True)
    assert run(colours, "alone") == 0
    assert contents(colours / "fetched") == contents(colours / "alone")
