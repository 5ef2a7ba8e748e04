"""docs/reference-results.md from the records of the reference runs: gains, intervals over seeds, paired tests."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from comparisons import ELSEWHERE
from parts import shares_in, value_of
from questions import FULL, Measure, Question, Row, of_seed
from scipy import stats
from tabulate import tabulate

from repbench.leaderboard.shares import aligned, by_cluster
from repbench.measure.significance import holm, paired_p_values
from repbench.results.files import read_records
from repbench.results.record import Record
from repbench.trainers.method import find_method

LEVEL = 0.05
HEADERS = ("method", "twin", "asked", "seeds", "method, %", "twin, %", "gain", "better in", "p (Holm)", "holds")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One line: values (seeds,) of method and twin; p of the paired test over examples, and half the interval of the gain."""

    ours: Row
    twin: Row
    measure: Measure
    values: tuple[np.ndarray, np.ndarray]
    p: float
    half: float

    @property
    def gain(self) -> float:
        """Mean of the method less mean of the twin."""
        return float(self.values[0].mean() - self.values[1].mean())


def write(questions: Sequence[Question], given: argparse.Namespace) -> None:
    """The page of all questions of which one seed is there, with p-values corrected by Holm over all of its rows."""
    records = {(one.encoder, one.task): one for one in read_records(given.results)} if given.results.is_dir() else {}
    found = {one.key: _compared(one, records, given.results, given.seeds) for one in questions}
    rows = [row for one in found.values() for row in one]
    if not rows:
        return
    corrected = iter(holm(np.array([row.p for row in rows])))
    parts = [_opening(given.scale)]
    for question in questions:
        if lines := found[question.key]:
            beside = _beside(question, records, given.seeds)
            parts.append(_section(question, lines, [next(corrected) for _ in lines], given.scale, beside))
    parts.append(_closing([one for one in questions if not found[one.key]]))
    given.page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _opening(scale: str) -> str:
    command = f"python reference/make.py{' --scale full' if scale == FULL else ''}"
    length = "" if scale == FULL else ", most of them far shorter than the defaults of [training.md](training.md)"
    return f"""# Results of the reference trainers

Written by `{command}` (`make reference`). Schedules are those named below each table{length};
what is not named is the method's default. Scores are of test splits, after the last step. Lengths were set by what time there
was, after looks at seed 0 on the same test splits: seed 0 is a little favoured.

*How to read it.* Values are means over seeds with 95 % intervals (t); of one seed there is none. p is of the paired test over
test examples, each averaged over the seeds, in which method and twin are swapped example by example (object by object where
several renders show one), corrected by Holm over all rows of this page; where each seed has a fold of its own, it is over the
examples of all folds. The ± of a gain is its 95 % interval over the same examples, one row at a time. *Better in* counts the
seeds with a gain. A row holds when its gain is positive and p is below {LEVEL:g}; *reversed* means a loss at that p.
The tables follow from the records; what stands below a table was written of the records that are committed."""


def _closing(missing: Sequence[Question]) -> str:
    """What the script asks and these records do not answer, and where other runs are described."""
    lines = [f"* *{one.title}* (`--only {one.key}`) {one.before}" for one in missing]
    not_run = ["Asked by the script, and not run for this page:\n\n" + "\n".join(lines)] if lines else []
    return "\n\n".join(["## What is not here", *not_run, ELSEWHERE])


def _section(question: Question, lines: Sequence[Compared], corrected: Sequence[float], scale: str, beside: str) -> str:
    shown = [_line(line, p) for line, p in zip(lines, corrected, strict=True)]
    table = tabulate(shown, headers=HEADERS, tablefmt="github", disable_numparse=True)
    done = {id(row) for line in lines for row in (line.ours, line.twin)}
    rows = dict.fromkeys(row for pair in question.pairs for row in pair if id(row) in done and row.is_trained)
    left = [f"`{ours.label}`" for ours, _ in question.pairs if id(ours) not in done]
    alike: dict[str, list[str]] = {}
    for row in rows:
        alike.setdefault(_schedule(row, scale), []).append(f"`{row.label}`")
    words = "; ".join(f"{', '.join(names)}: {schedule}" for schedule, names in alike.items())
    missing = f" Asked by the script, and not run for this page: {', '.join(left)}." if left else ""
    parts = [f"## {question.title}", question.before, table, beside, f"Schedule: {words}.{missing}", question.after]
    return "\n\n".join(part for part in parts if part)


def _beside(question: Question, records: Mapping[tuple[str, str], Record], seeds: int) -> str:
    """The values of all measures of the rows that the question shows beside each other, means over seeds in percent."""
    lines = []
    for row in question.beside:
        cells = []
        for measure in question.measures:
            names = [(row.name(seed), of_seed(measure.task, seed)) for seed in range(question.first, seeds)]
            values = [value_of(records[name], measure.part) for name in names if name in records]
            cells.append(_interval(np.array(values)) if values else "")
        lines.append([row.label, *cells])
    headers = ["percent", *(one.part or one.task for one in question.measures)]
    return tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True) if lines else ""


def _line(line: Compared, p: float) -> list[str]:
    mine, other = line.values
    holds = ("yes" if line.gain > 0 else "reversed") if p < LEVEL else "no"
    better = f"{int((mine > other).sum())}/{len(mine)}"
    gain = f"{100 * line.gain:+.1f} ± {100 * line.half:.1f}"
    names = [line.ours.label, line.twin.label, line.measure.words]
    return [*names, str(len(mine)), _interval(mine), _interval(other), gain, better, f"{p:.2g}", holds]


def _interval(values: np.ndarray) -> str:
    """Mean and half the 95 % interval over seeds, in percent."""
    if len(values) < 2 or np.ptp(values) < 1e-9:  # equal but for rounding
        return f"{100 * values.mean():.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():.1f} ± {100 * half:.1f}"


def _schedule(row: Row, scale: str) -> str:
    """Settings and options of a training run in words: what was given, and the length that holds where none was."""
    settings, options = row.call(scale)
    defaults = find_method(row.method).defaults
    length: dict[str, Any] = {} if "steps" in settings else {"epochs": defaults.epochs}
    told = {"batch_size": defaults.batch_size, **length, **settings, **options}
    return ", ".join(f"{key}={value}" for key, value in told.items())


def _compared(question: Question, records: dict[tuple[str, str], Record], results: Path, seeds: int) -> list[Compared]:
    """A line for each pair and measure, over the first seeds that both sides have."""
    lines = []
    for ours, twin in question.pairs:
        for measure in (one for one in question.measures if not one.of or ours.label in one.of):
            tasks = measure.task, measure.twin_task or measure.task
            names = [
                [(row.name(seed), of_seed(task, seed)) for row, task in zip((ours, twin), tasks, strict=True)]
                for seed in range(question.first, seeds)
            ]
            there = [all(name in records for name in pair) for pair in names]
            count = there.index(False) if False in there else len(there)
            if count:
                sides = [[records[pair[side]] for pair in names[:count]] for side in (0, 1)]
                outcomes = _outcomes(sides, measure, question.folds, results)
                mine, other = (np.array([value_of(one, measure.part) for one in side]) for side in sides)
                p, half = _tested(*outcomes, count if question.folds else 1)
                lines.append(Compared(ours=ours, twin=twin, measure=measure, values=(mine, other), p=p, half=half))
    return lines


def _outcomes(sides: list[list[Record]], measure: Measure, folds: bool, results: Path) -> np.ndarray:
    """What examples, or clusters of them, add to the metric (2, n): means over seeds, or in `folds` those of all seeds."""
    pairs = []
    for pair in zip(*sides, strict=True):
        outcomes, clusters, kept = aligned([shares_in(record, measure.part, results) for record in pair])
        assert len(kept) == len(pair), f"{measure.words}: method and twin were asked other examples"
        pairs.append(by_cluster(outcomes, clusters))
    return np.concatenate(pairs, axis=1) if folds else np.mean(pairs, axis=0)


def _tested(mine: np.ndarray, other: np.ndarray, folds: int) -> tuple[float, float]:
    """p of the paired test of outcomes (n,) that add up to the metric in each of `folds`, and half the 95 % interval (t) of the
    gain over other examples like these."""
    count = len(mine)
    half = stats.t.ppf(0.975, count - 1) * (mine - other).std(ddof=1) * np.sqrt(count) / folds
    return float(paired_p_values(mine, other[None], 0)[0]), float(half)
