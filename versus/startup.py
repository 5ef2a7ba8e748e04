"""How long one waits for nothing: `--help`, `list tasks`, and a board of 1,000 x 100: `python versus/startup.py`.

The records are generated: 1,000 encoders of rising skill on 100 tasks of 200 examples each, nine in ten scored by accuracy and
one by the mean per class, with their examples beside them, as a run writes them (ten draws of outcomes an encoder). The first
call reads all of it, the second finds what the first remembered, the third meets one encoder that is new.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import figure, save

from repbench.results.files import record_path
from repbench.results.record import DONE, Inputs, Metric, Record

EXAMPLES, CLASSES, DRAWS = 200, 10, 10
HEAVY = ("torch", "torchvision", "timm", "open_clip", "transformers")
NEW = (
    "each column has a new cell and is judged anew, paired tests and sets of places among all encoders; only the examples of"
    " the others are not read again"
)
LISTING = (
    "about a fifth each of its processor time are the command line (click), numpy, repbench's own modules with a hundred"
    " dataclasses, reading and checking the TOML files of 71 datasets, and the 22 protocols with what they measure"
)


def command(*arguments: str, cache: Path, imports: bool = False) -> tuple[float, str]:
    """Seconds of a call of the command line in a new process, and its standard error.

    Modules are compiled once and kept, as Python does where nothing forbids it and pip does when it installs.
    """
    line = [sys.executable, *(["-X", "importtime"] if imports else []), "-m", "repbench", *arguments]
    told = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPYCACHEPREFIX": str(cache / "bytecode")}
    told.pop("PYTHONDONTWRITEBYTECODE", None)
    began = perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=told)
    return perf_counter() - began, done.stderr


def write_encoder(folder: Path, place: int, of: int, tasks: int) -> None:
    """The records and examples of one generated encoder."""
    draws = [drawn(place / of, place * DRAWS + one) for one in range(min(DRAWS, tasks))]
    for task in range(tasks):
        value, examples = draws[task % DRAWS]
        record = generated(place, task, value)
        path = record_path(folder, record.encoder, record.task, record.inputs)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.to_json(), encoding="utf-8")
        path.with_suffix(".parquet").write_bytes(examples)


def drawn(skill: float, seed: int) -> tuple[float, bytes]:
    """The accuracy of drawn outcomes, and their examples as Parquet."""
    truth = np.arange(EXAMPLES) % CLASSES
    score = np.random.default_rng(seed).random(EXAMPLES) < 0.3 + 0.5 * skill
    guess = np.where(score, truth, (truth + 1) % CLASSES)
    names = np.array([f"class {one}" for one in range(CLASSES)])
    ids = [f"test/{one:05d}" for one in range(EXAMPLES)]
    stream = io.BytesIO()
    table = {"id": ids, "truth": names[truth], "prediction": names[guess], "score": score.astype(float)}
    pq.write_table(pa.table(table), stream)
    return float(score.mean()), stream.getvalue()


def generated(place: int, task: int, value: float) -> Record:
    """A record as a run would write it, of one generated encoder on one task."""
    protocol, dataset = f"protocol-{task % 5}", f"data-{task // 5:02d}"
    low, high = max(0.0, value - 0.07), min(1.0, value + 0.07)
    return Record(
        status=DONE,
        encoder=f"model-{place:04d}",
        encoder_kind="encoder",
        task=f"{protocol}/{dataset}",
        protocol=protocol,
        dataset=dataset,
        inputs=Inputs(
            encoder_fingerprint=f"{place:032x}",
            task_digest=f"{task:032x}",
            dataset_fingerprint=f"{task // 5:032x}",
            seed=0,
            precision="fp32",
            limit=None,
            on_bad_item="fail",
        ),
        task_version=1,
        options={},
        primary="accuracy" if task % DRAWS else "mean-per-class",
        metrics={one: Metric(value=value, low=low, high=high) for one in ("accuracy", "mean-per-class")},
        n=EXAMPLES,
        chance=1 / CLASSES,
        diagnostics={"strength": 0.1, "gap": 1e-5, "iterations": 40},
        towers={"image": {"dim": 512, "fingerprint": f"{place:032x}", "parameters": 10**7}},
        versions={"python": "3.11", "repbench": "0.1.0", "torch": "2.6"},
        circumstances={"device": "cpu", "embedded": EXAMPLES, "seconds": {"embedding": 1.5, "total": 2.5}},
    )


def heavy(told: str) -> int:
    """How many of HEAVY modules a call imported, at whatever depth, by what `-X importtime` told."""
    imported = {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}
    if "repbench" not in imported:
        raise RuntimeError("-X importtime told nothing of repbench: " + told[:200])
    return len(imported.intersection(HEAVY))


def board(folder: Path, encoders: int, tasks: int) -> tuple[dict[str, float], int]:
    """Seconds of the board: all to read, all remembered, one encoder new; and the HEAVY modules that one remembered imports."""
    records, cache, out = folder / "results", folder / "cache", folder / "board"
    if not (records / f"model-{encoders - 1:04d}").is_dir():
        for place in range(encoders):
            write_encoder(records, place, encoders, tasks)
    shutil.rmtree(records / f"model-{encoders:04d}", ignore_errors=True)
    shutil.rmtree(cache / "repbench", ignore_errors=True)
    call = ("leaderboard", str(records), "--out", str(out))
    seconds = {"cold": command(*call, cache=cache)[0], "warm": command(*call, cache=cache)[0]}
    imported = heavy(command(*call, cache=cache, imports=True)[1])
    write_encoder(records, encoders, encoders, tasks)
    seconds["one new"] = command(*call, cache=cache)[0]
    return seconds, imported


def main() -> None:
    """Measure all three and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the generated records lie, to use them again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        helping = [command("--help", cache=folder)[0] for _ in range(6)][1:]
        listing = [command("list", "tasks", cache=folder)[0] for _ in range(6)][1:]
        imported = sum(heavy(command(*line, cache=folder, imports=True)[1]) for line in (("--help",), ("list", "tasks")))
        seconds, of_board = board(folder, arguments.encoders, arguments.tasks)
    size = f"{arguments.encoders} encoders x {arguments.tasks} tasks"
    findings = [
        figure("`repbench --help`", helping, 0.2, unit="s", higher_is_better=False),
        figure("`repbench list tasks`", listing, 0.5, unit="s", higher_is_better=False, why=LISTING),
        figure(
            f"{', '.join(HEAVY)} imported by these and by a warm `repbench leaderboard`",
            [imported + of_board],
            0,
            unit="",
            higher_is_better=False,
        ),
        figure(
            f"`repbench leaderboard --out`, {size}, nothing changed", [seconds["warm"]], 10, unit="s", higher_is_better=False
        ),
        figure("the same with one encoder that is new", [seconds["one new"]], 15, unit="s", higher_is_better=False, why=NEW),
        figure("warm beside the first call", [seconds["cold"] / seconds["warm"]], 1),
    ]
    save(__file__, findings, {"seconds": {**seconds, "help": helping, "list": listing}})


if __name__ == "__main__":
    main()
