"""Torture: runs that are killed, interrupted, starved of disk and damaged, and a table of what was tried and what was lost.

`make torture` runs it in full; the tests run a few. One process imports everything, and each run is a fork of it.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image

from repbench import cli
from repbench.leaderboard.publish import publish
from repbench.leaderboard.tables import make_board
from repbench.results.files import read_records

torch.set_num_threads(1)
TOML = """
title = "Noisy colours"
metric = "accuracy"
classes = 2
[splits]
train = 30
val = 12
test = 18
[sources.folder]
path = "colours"
"""
COUNTS = {"train": 15, "val": 6, "test": 9}  # a class
TASKS = "knn/colours,linear-probe/colours,alignment-uniformity/colours"
ENCODERS = ("random:test_resnet,size=32", "control:pixels")


def write_data(folder: Path) -> None:
    """A user's dataset of two classes."""
    generator = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for name, level in (("dark", 60), ("light", 190)):
            (folder / "data/colours" / split / name).mkdir(parents=True)
            for place in range(count):
                pixels = np.clip(level + generator.normal(0, 40, (12, 12, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / "data/colours" / split / name / f"{place:02d}.png")
    (folder / "colours.toml").write_text(TOML)


def start(folder: Path, name: str, most: int | None = None) -> int:
    """Begin a run in a fork and return its process; `most` bytes a file are all that the kernel lets it write."""
    process = os.fork()
    if process:
        return process
    os.chdir(folder)
    with open(f"{name}.said", "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), write_through=True) for number in (1, 2))
    if most is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    places = ["--plugin", "colours.toml", "--data", "data", "--out", name, "--store", f"{name}.store", "--quiet"]
    sys.argv = ["repbench", "run", *ENCODERS, "--tasks", TASKS, "--batch-size", "4", *places]
    status = 70
    try:
        cli.main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        os._exit(status)
    return 0


def ended(process: int) -> int:
    """The exit status of a run, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def contents(folder: Path, name: str) -> dict[str, bytes]:
    """Examples, the board, and records without circumstances."""
    records = [replace(record, circumstances={}) for record in read_records(folder / name)]
    board = {path.name: path.read_bytes() for path in publish(make_board(records), folder / f"{name}.board")}
    examples = {str(path.relative_to(folder / name)): path.read_bytes() for path in (folder / name).rglob("*.parquet")}
    return board | examples | {f"{one.encoder} {one.task}": one.to_json().encode() for one in records}


def clear(folder: Path, name: str) -> None:
    """Results and store of a name are gone."""
    for one in (name, f"{name}.store"):
        shutil.rmtree(folder / one, ignore_errors=True)


class Torture:
    """The trials. Each raises AssertionError where something was lost, and returns what it has to tell."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        write_data(folder)
        assert ended(start(folder, "whole")) == 0, (folder / "whole.said").read_text()
        clear(folder, "whole")
        began = time.monotonic()
        assert ended(start(folder, "whole")) == 0
        self.length = time.monotonic() - began
        self.whole = contents(folder, "whole")

    def finish(self, name: str) -> None:
        """The same command again goes on to the bytes of the run that nothing disturbed."""
        assert ended(start(self.folder, name)) == 0, (self.folder / f"{name}.said").read_text()
        assert contents(self.folder, name) == self.whole

    def kill(self, times: int) -> str:
        """SIGKILL at random moments, resumed and killed again."""
        kills = finished = 0
        while kills < times:
            process = start(self.folder, "killed")
            time.sleep(self.random.uniform(0, self.length))
            os.kill(process, signal.SIGKILL)
            if ended(process) < 0:
                kills += 1
            if kills % 5 == 0 or self.random.random() < 0.1:
                self.finish("killed")
                finished += 1
                clear(self.folder, "killed")
        self.finish("killed")
        return f"resumed to the same bytes {finished + 1} times"

    def interrupt(self, times: int) -> str:
        """SIGINT at random moments of a run from an empty store."""
        slowest, late = 0.0, 0
        for _ in range(times):
            clear(self.folder, "stopped")
            process = start(self.folder, "stopped")
            time.sleep(self.random.uniform(0.05, 0.9) * self.length)
            began = time.monotonic()
            os.kill(process, signal.SIGINT)
            status = ended(process)
            slowest = max(slowest, time.monotonic() - began)
            said = (self.folder / "stopped.said").read_text()
            assert status == 0 or (status == 130 and "give the same command again" in said), (status, said)
            late += status == 0
            self.finish("stopped")
        return f"slowest end {slowest:.2f} s; {late} were over already"

    def damage(self, times: int) -> str:
        """A bit flipped or a cut in a stored chunk, a cut in a record."""
        self.finish("hurt")
        set_aside = 0
        for _ in range(times):
            chunks = sorted((self.folder / "hurt.store").rglob("*.safetensors"))
            path = self.random.choice(chunks)
            data = bytearray(path.read_bytes())
            place = self.random.randrange(len(data))
            data[place] ^= 1 << self.random.randrange(8)
            path.write_bytes(data if self.random.random() < 0.7 else data[:place])
            for record in (self.folder / "hurt").rglob("*.json"):  # so that the embeddings are asked for again
                record.write_bytes(record.read_bytes()[: self.random.randrange(20)])
            self.finish("hurt")
            set_aside += len(list((self.folder / "hurt.store").rglob("*.damaged")))
            for old in (self.folder / "hurt.store").rglob("*.damaged"):
                old.unlink()
        return f"{set_aside} chunks set aside, all made again"

    def full(self, times: int) -> str:
        """The kernel refuses to write beyond a random size of file, as a quota would."""
        refused = 0
        for _ in range(times):
            clear(self.folder, "full")
            status = ended(start(self.folder, "full", most=self.random.choice([2000, 5000, 20000, 60000])))
            said = (self.folder / "full.said").read_text()
            assert status in (0, 1, 2), said
            assert "Traceback" not in said, said
            refused += status != 0
            assert not list(self.folder.glob("full*/**/*.tmp")), "something half-written was left"
            self.finish("full")
        return f"{refused} refused, nothing half-written"

    def together(self, times: int) -> str:
        """Eight processes on one store, each with results of its own."""
        for _ in range(times):
            clear(self.folder, "eight")
            store = self.folder / "eight.store"
            store.mkdir()
            names = [f"eight{number}" for number in range(8)]
            for name in names:
                clear(self.folder, name)
                (self.folder / f"{name}.store").unlink(missing_ok=True)
                (self.folder / f"{name}.store").symlink_to(store)
            processes = [start(self.folder, name) for name in names]
            assert [ended(process) for process in processes] == [0] * 8
            embedded = 0
            for name in names:
                assert contents(self.folder, name) == self.whole
                embedded += sum(int(one.circumstances.get("embedded", 0)) for one in read_records(self.folder / name))
            assert embedded == self.once, f"{embedded} embeddings were computed, {self.once} are needed"
        return f"{self.once} embeddings, each computed once"

    @property
    def once(self) -> int:
        """How many embeddings the undisturbed run computed."""
        return sum(int(one.circumstances.get("embedded", 0)) for one in read_records(self.folder / "whole"))


TRIALS = {"kill": 200, "interrupt": 40, "damage": 40, "full": 40, "together": 5}


def main() -> None:
    """Do the trials and print the table; the first loss ends it with its reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=float, default=1.0, help="share of the full number of trials")
    parser.add_argument("--only", default=",".join(TRIALS), help="names of trials, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        torture = Torture(Path(folder), told.seed)
        print(f"{'what was tried':<76} times  what came of it", flush=True)
        for name in told.only.split(","):
            trial, times = getattr(torture, name), max(1, round(TRIALS[name] * told.times))
            print(f"{trial.__doc__:<76} {times:>5}  {trial(times)}", flush=True)
    print("nothing was lost")


if __name__ == "__main__":
    main()
