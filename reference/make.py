"""The reference runs: each method beside its twin, with several seeds, written to docs/reference-results.md.

`python reference/make.py` trains, evaluates and writes the page anew after each question and seed; what is done is not done
again, and an interrupted run goes on. `--only fashion` takes one question, `--row mae` some of its rows, `--scale full`
the defaults of docs/training.md (hours). With `--from-committed` the records of leaderboard/trained are the beginning, so
that only what they lack is run. What is asked, and with which schedule, stands in comparisons.py.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from commit import TRAINED, unpack
from comparisons import QUESTIONS
from page import write
from questions import FULL, SMALL, Question, Row, of_seed

import repbench
from repbench.leaderboard.pack import RECORDS
from repbench.results.files import read_records
from repbench.results.record import DONE
from repbench.tasks import load_catalogue

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train and evaluate what is missing, seed by seed, and write the page."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    if given.from_committed:
        begin_with(TRAINED, given.results)
    chosen = [one for one in QUESTIONS if one.key in (given.only or [one.key])]
    for question in [one for one in chosen if one.folder and not (given.data and (given.data / one.folder).is_dir())]:
        chosen.remove(question)
        print(f"{question.key}: left out; it reads FOLDER/{question.folder}: --data FOLDER")
    for seed in () if given.page_only else range(given.seeds):
        for question in (one for one in chosen if seed >= one.first):
            rows = dict.fromkeys(row for pair in question.pairs for row in pair)
            wanted = [row for row in rows if row.label in (given.row or [row.label])]
            ran = [train_and_evaluate(row, question, seed, given) for row in wanted]
            if any(ran):
                write(QUESTIONS, given)
    write(QUESTIONS, given)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "leaderboard" / "reference-runs", help="folder of runs and records")
    parser.add_argument("--data", type=Path, help="folder of data that are not packaged: cifar10, free-spoken-digits")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reference-results.md")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=[one.key for one in QUESTIONS], action="append", help="this question (repeat)")
    parser.add_argument("--row", action="append", metavar="LABEL", help="these rows of the questions alone (repeat)")
    parser.add_argument("--scale", choices=(SMALL, FULL), default=SMALL, help="schedule of the page, or the methods' defaults")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--from-committed", action="store_true", help="begin with the records of leaderboard/trained")
    parser.add_argument("--page-only", action="store_true", help="train nothing: the page from the records that there are")
    given = parser.parse_args()
    given.results = given.work / f"results-{given.scale}"
    return given


def begin_with(board: Path, results: Path) -> None:
    """The records of a committed board in a new folder of results; a folder that is there stays as it is."""
    if not results.exists():
        with tempfile.TemporaryDirectory() as folder:
            unpack(board, Path(folder) / "pack")
            shutil.copytree(Path(folder) / "pack" / RECORDS, results)


def is_recorded(name: str, tasks: list[str], question: Question, results: Path) -> bool:
    """Whether a row has a record of each task as it is asked at present, so that it needs no training, even without weights."""
    records = read_records(results) if results.is_dir() else ()
    own = [one for one in records if one.encoder == name and one.status == DONE and one.inputs.limit == question.limit]
    there = {(one.task, one.inputs.task_digest) for one in own}
    known = load_catalogue(question.plugins).tasks
    return all((task, known[task].digest) in there for task in tasks)


def tasks_of(question: Question, row: Row, seed: int) -> list[str]:
    """The tasks that a row of a question is evaluated on with a seed."""
    tasks: dict[str, None] = {}
    for measure in question.measures:
        for trained, twin in question.pairs:
            tasks |= {measure.task: None} if row == trained else {}
            tasks |= {measure.twin_task or measure.task: None} if row == twin else {}
    return [of_seed(task, seed) for task in tasks]


def train_and_evaluate(row: Row, question: Question, seed: int, given: argparse.Namespace) -> bool:
    """One run of one seed, and whether anything was left to do: what has its file is not trained again, and what has all of
    its records is left alone."""
    name = row.name(seed)
    tasks = tasks_of(question, row, seed)
    if not row.spec and is_recorded(name, tasks, question, given.results):
        return False
    spec = row.spec
    folder = given.data if question.folder else None
    if question.made:
        folder = question.made(given.work / "data", given.data)
    # A copy in a folder may deviate, as one of CIFAR-10 that was compressed again as JPEG does.
    data: dict[str, Any] = {"limit": question.limit, "deviating": bool(question.folder), "plugins": question.plugins}
    if not spec:
        out = given.work / f"runs-{given.scale}" / f"{row.run(seed)}.safetensors"
        spec = f"trained:{out},name={name}{f',space={row.space}' if row.space else ''}"
        if not out.exists():
            print(name, flush=True)
            settings, options = row.call(given.scale)
            fixed = {**data, "data_folder": folder, "options": options, "log": _silent}
            repbench.train(row.method, of_seed(row.dataset, seed), out=out, seed=seed, **fixed, **settings)
    table = repbench.evaluate(spec, tasks, out=given.results, store=given.work / "store", data=folder, quiet=True, **data)
    failed = table[table["metric"] == "failed"]
    if len(failed):
        raise SystemExit(f"{name}: {', '.join(failed['task'])} failed: {failed['reason'].iloc[0]}")
    return True


def _silent(line: str) -> None:
    """The progress of a training run is in its CSV."""


if __name__ == "__main__":
    main()
