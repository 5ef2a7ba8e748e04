"""Torture: runs that are killed, interrupted, starved of disk and damaged, and a table of what was tried and what was lost.

`make torture` runs it in full; the tests run a few. One process imports everything, and each run is a fork of it.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from PIL import Image

from repbench import cli
from repbench.embeddings import extract
from repbench.leaderboard import publish
from repbench.leaderboard.tables import make_board
from repbench.protocols.alignment_uniformity import AlignmentUniformity
from repbench.protocols.knn import KNN
from repbench.protocols.linear_probe import LinearProbe
from repbench.results.files import read_records
from repbench.run import execute

sys.path.insert(0, str(Path(__file__).parent))
from starved import forbidden, read_only, small_disk

torch.set_num_threads(1)
extract.CHUNK = 8  # so that a run is of many chunks
NOT_HERE, LEFT_OVER = 77, 78  # exit statuses: the kernel does not let this be tried; something half-written lies there
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
PHASES = {"extraction": "e", "solve": "s", "record write": "r", "board write": "b"}  # and the letter that tells of each


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


def count_chunks(name: str) -> None:
    """From here on each chunk that is begun stands in `NAME.begun`: its shelf and its first item."""
    embed = extract.Extractor._embed

    def counted(self: extract.Extractor, work: extract.Work, forms: Any, wanted: Any, *rest: Any) -> Any:
        if wanted:  # nothing where another process did it meanwhile
            with open(f"{name}.begun", "a") as stream:
                stream.write(f"{work.address.folder} {work.keys[wanted[0][0]]}\n")
        return embed(self, work, forms, wanted, *rest)

    extract.Extractor._embed = counted  # type: ignore[method-assign]


def tell_phases(pipe: int) -> None:
    """From here on the letter of each phase is written to `pipe` when one begins, and a full stop when it ends."""

    def told(owner: Any, name: str, letter: str) -> None:
        function = getattr(owner, name)

        def telling(*arguments: Any, **options: Any) -> Any:
            os.write(pipe, letter.encode())
            try:
                return function(*arguments, **options)
            finally:
                os.write(pipe, b".")

        setattr(owner, name, telling)

    told(extract.Extractor, "_embed", "e")
    for protocol in (KNN, LinearProbe, AlignmentUniformity):
        told(protocol, "score", "s")
    told(execute, "write_record", "r")
    told(publish, "publish", "b")


def begun(folder: Path, name: str) -> list[str]:
    """The chunks that runs of a name have begun, one entry each time."""
    path = folder / f"{name}.begun"
    return path.read_text().splitlines() if path.exists() else []


def start(folder: Path, name: str, hinder: Callable[[], object] | None = None, pipe: int | None = None) -> int:
    """Begin a run and its board in a fork, which first does to itself what is to `hinder` it, and return its process.

    A run that was hindered may leave nothing half-written; one that is killed cannot clean up, and nobody reads what it left.
    """
    process = os.fork()
    if process:
        return process
    os.chdir(folder)
    with open(f"{name}.said", "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), write_through=True) for number in (1, 2))
    try:
        if hinder is not None:
            hinder()
    except PermissionError:
        os._exit(NOT_HERE)
    count_chunks(name)
    if pipe is not None:
        tell_phases(pipe)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    places = ["--plugin", "colours.toml", "--data", "data", "--out", name, "--store", f"{name}.store", "--quiet"]
    status = 70
    try:
        status = call("run", *ENCODERS, "--tasks", TASKS, "--batch-size", "4", *places)
        status = status or call("leaderboard", name, "--out", f"{name}.board")
    finally:
        sys.stderr.flush()
        left = [path for place in (name, f"{name}.store") for path in Path(place).rglob("*.tmp")]
        os._exit(LEFT_OVER if left and hinder is not None else status)  # what a killed run leaves behind is never read
    return 0


def call(*arguments: str) -> int:
    """The exit status of a command."""
    sys.argv = ["repbench", *arguments]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def ended(process: int) -> int:
    """The exit status of a run, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def contents(folder: Path, name: str) -> dict[str, bytes]:
    """Examples, the board, and records without circumstances; the page once as it was written but for its times."""
    records = [replace(record, circumstances={}) for record in read_records(folder / name)]
    board = {f"as is {path.name}": path.read_bytes() for path in tables(folder, name)}
    board |= {path.name: path.read_bytes() for path in publish.publish(make_board(records), folder / f"{name}.plain")}
    examples = {str(path.relative_to(folder / name)): path.read_bytes() for path in (folder / name).rglob("*.parquet")}
    return board | examples | {f"{one.encoder} {one.task}": one.to_json().encode() for one in records}


def tables(folder: Path, name: str) -> list[Path]:
    """The files of the board that tell no times."""
    return [path for path in sorted((folder / f"{name}.board").glob("leaderboard.*")) if path.suffix not in (".html", ".tmp")]


def clear(folder: Path, name: str) -> None:
    """Results, store and board of a name are gone."""
    for one in (name, f"{name}.store", f"{name}.board"):
        if (folder / one).is_dir():
            (folder / one).chmod(0o755)
        shutil.rmtree(folder / one, ignore_errors=True)
    (folder / f"{name}.begun").unlink(missing_ok=True)


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
        self.chunks = len(begun(folder, "whole"))
        assert self.chunks == len(set(begun(folder, "whole"))) > 10, "each chunk is begun once"

    def finish(self, name: str) -> None:
        """The same command again goes on to the bytes of the run that nothing disturbed."""
        assert ended(start(self.folder, name)) == 0, (self.folder / f"{name}.said").read_text()
        assert contents(self.folder, name) == self.whole

    def kill(self, times: int) -> str:
        """SIGKILL at random moments, resumed and killed again."""
        kills, finished, repeated, since = Counter[str](), 0, 0, 0
        while kills.total() < times:
            phase = self.kill_once("killed")
            kills[phase] += phase != ""
            since += phase != ""
            for path in tables(self.folder, "killed"):
                assert path.read_bytes() == self.whole[f"as is {path.name}"], f"{path.name} is no whole table"
            if since >= 5 or kills.total() >= times or phase == "":
                self.finish("killed")
                finished += 1
                again = len(begun(self.folder, "killed")) - self.chunks
                assert again <= since, f"{again} chunks were computed again after {since} kills"
                repeated += max(again, 0)
                since = 0
                clear(self.folder, "killed")
        where = ", ".join(f"{phase} {kills[phase]}" for phase in (*PHASES, "between") if kills[phase])
        chunks = f"{repeated} chunks of {finished * self.chunks} computed twice"
        return f"{where}; resumed to the same bytes {finished} times of {finished}; {chunks}"

    def kill_once(self, name: str) -> str:
        """Kill a run, and say in what: half the time at any moment, else in a phase that was chosen. "" if it was over."""
        ear, mouth = os.pipe()
        os.set_blocking(ear, False)
        process = start(self.folder, name, None, mouth)
        os.close(mouth)
        heard = b""
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, self.length))
        else:
            letter, skipped = self.random.choice(list(PHASES.values())).encode(), self.random.randrange(3)
            while heard.count(letter) <= skipped and select.select([ear], [], [], 60)[0] and (more := os.read(ear, 1)):
                heard += more
            time.sleep(self.random.expovariate(1 / 0.02))
        os.kill(process, signal.SIGKILL)
        over = ended(process) >= 0
        while more := os.read(ear, 4096):  # the end has closed it
            heard += more
        os.close(ear)
        last = heard[-1:].decode()
        return "" if over else next((phase for phase, letter in PHASES.items() if letter == last), "between")

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
        """A bit flipped or a cut in a stored chunk, in each record and in its examples."""
        self.finish("hurt")
        set_aside = 0
        for _ in range(times):
            chunks = sorted((self.folder / "hurt.store").rglob("*.safetensors"))
            path = self.random.choice(chunks)
            data = bytearray(path.read_bytes())
            place = self.random.randrange(len(data))
            data[place] ^= 1 << self.random.randrange(8)
            path.write_bytes(data if self.random.random() < 0.7 else data[:place])
            for path in (self.folder / "hurt").rglob("colours.*"):  # so that the embeddings are asked for again, too
                data = bytearray(path.read_bytes())
                data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
                path.write_bytes(data if self.random.random() < 0.7 else data[: self.random.randrange(len(data))])
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
            most = self.random.choice([2000, 5000, 20000, 60000])
            refused += self.hindered("full", lambda most=most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))) != 0
            self.finish("full")
        return f"{refused} refused, nothing half-written"

    def disk(self, times: int) -> str:
        """A disk of a random small size (tmpfs) for the store or the results."""
        refused = 0
        for _ in range(times):
            clear(self.folder, "disk")
            place, size = self.random.choice(["disk", "disk.store"]), 4096 * self.random.randrange(1, 40)
            status = self.hindered("disk", lambda place=place, size=size: small_disk(self.folder / place, size))
            if status == NOT_HERE:
                return "not tried: mounting is not allowed here"
            said = (self.folder / "disk.said").read_text()
            assert status == 0 or "No space left on device" in said, said
            refused += status != 0
            self.finish("disk")
        return f"{refused} refused with 'No space left on device', nothing half-written"

    def refuse(self, times: int) -> str:
        """A store or results on a read-only disk, or without the permission to write."""
        told = 0
        for number in range(times):
            clear(self.folder, "refused")
            place, how = (("refused.store", "refused")[number % 2], (read_only, forbidden)[number // 2 % 2])
            status = self.hindered("refused", lambda place=place, how=how: how(self.folder / place))
            if status == NOT_HERE:
                return "not tried: the kernel does not allow it here"
            said = (self.folder / "refused.said").read_text()
            assert status in (1, 2), said
            assert ("Read-only file system" if how is read_only else "Permission denied") in said, said
            told += 1
            (self.folder / place).chmod(0o755)
            self.finish("refused")
        shutil.rmtree(self.folder / "refused")
        assert self.hindered("refused", lambda: read_only(self.folder / "refused.store")) == 0
        self.finish("refused")
        return f"{told} told in words; a complete store that is read-only serves"

    def skew(self, times: int) -> str:
        """Clocks that are wrong by decades, and lock files of processes that are gone."""
        self.finish("skewed")
        for _ in range(times):
            for path in [*(self.folder / "skewed").rglob("*"), *(self.folder / "skewed.store").rglob("*")]:
                os.utime(path, (when := self.random.choice([0, 1, 4_000_000_000]), when))
            before = len(begun(self.folder, "skewed"))
            self.finish("skewed")
            assert len(begun(self.folder, "skewed")) == before, "something was computed again"
            for lost in list((self.folder / "skewed").rglob("*.json"))[:2]:
                lost.unlink()
        return "nothing computed again, nothing waited for"

    def hindered(self, name: str, hinder: Callable[[], object]) -> int:
        """The status of a run that is hindered; whatever comes of it is told in words, and nothing half-written is left."""
        status = ended(start(self.folder, name, hinder))
        said = (self.folder / f"{name}.said").read_text()
        assert status in (0, 1, 2, NOT_HERE), f"{status}: {said}"
        assert "Traceback" not in said, said
        return status

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
            found = [ended(process) for process in processes]
            said = [(self.folder / f"{name}.said").read_text() for name, status in zip(names, found, strict=True) if status]
            assert found == [0] * 8, f"{found}: {said}"
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


TRIALS = {"kill": 200, "interrupt": 40, "damage": 40, "full": 40, "disk": 40, "refuse": 20, "skew": 10, "together": 5}


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
