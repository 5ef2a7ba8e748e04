"""The reference runs: each method beside its twin, with several seeds, written to docs/reference-results.md.

`python reference/make.py` trains, evaluates and writes the page anew after each question and seed; what is done is not done
again, and an interrupted run goes on. `--only fashion` takes one question, `--scale full` the defaults of docs/training.md
(hours). What is asked, and with which schedule, stands in comparisons.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from comparisons import FULL, QUESTIONS, SMALL, Question, Row
from page import write

import repbench

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train and evaluate what is missing, seed by seed, and write the page."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    chosen = [one for one in QUESTIONS if one.key in (given.only or [one.key])]
    for question in [one for one in chosen if one.folder and given.data is None]:
        chosen.remove(question)
        print(f"{question.key}: left out; it reads a dataset from a folder: --data FOLDER")
    for seed in () if given.page_only else range(given.seeds):
        for question in chosen:
            for row in dict.fromkeys(row for pair in question.pairs for row in pair):
                train_and_evaluate(row, question, seed, given)
            write(QUESTIONS, given)
    write(QUESTIONS, given)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "leaderboard" / "reference-runs", help="folder of runs and records")
    parser.add_argument("--data", type=Path, help="folder of datasets that are not packaged (cifar10)")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reference-results.md")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=[one.key for one in QUESTIONS], action="append", help="this question (repeat)")
    parser.add_argument("--scale", choices=(SMALL, FULL), default=SMALL, help="schedule of the page, or the methods' defaults")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--page-only", action="store_true", help="train nothing: the page from the records that there are")
    given = parser.parse_args()
    given.results = given.work / f"results-{given.scale}"
    return given


def tasks_of(question: Question, row: Row) -> list[str]:
    """The tasks that a row of a question is evaluated on."""
    tasks: dict[str, None] = {}
    for measure in question.measures:
        for trained, twin in question.pairs:
            tasks |= {measure.task: None} if row == trained else {}
            tasks |= {measure.twin_task or measure.task: None} if row == twin else {}
    return list(tasks)


def train_and_evaluate(row: Row, question: Question, seed: int, given: argparse.Namespace) -> None:
    """One run of one seed; what has its file is not trained again, what has its record is not evaluated again."""
    name = row.name(seed)
    spec = row.spec
    folder = given.data if question.folder else None
    # A copy in a folder may deviate, as one of CIFAR-10 that was compressed again as JPEG does.
    data: dict[str, Any] = {"limit": question.limit, "deviating": question.folder}
    if not spec:
        out = given.work / f"runs-{given.scale}" / f"{name}.safetensors"
        spec = f"trained:{out},name={name}"
        if not out.exists():
            print(name, flush=True)
            settings, options = row.call(given.scale)
            fixed = {**data, "data_folder": folder, "options": options, "log": _silent}
            repbench.train(row.method, row.dataset, out=out, seed=seed, **fixed, **settings)
    tasks = tasks_of(question, row)
    table = repbench.evaluate(spec, tasks, out=given.results, store=given.work / "store", data=folder, quiet=True, **data)
    failed = table[table["metric"] == "failed"]
    if len(failed):
        raise SystemExit(f"{name}: {', '.join(failed['task'])} failed: {failed['reason'].iloc[0]}")


def _silent(line: str) -> None:
    """The progress of a training run is in its CSV."""


if __name__ == "__main__":
    main()
