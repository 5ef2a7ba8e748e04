"""The report card of one encoder, from records: strengths and weaknesses in words, classes, confusions, a rival's examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from repbench.errors import UnknownNameError, UsageError
from repbench.leaderboard.differences import Side, differences, side
from repbench.leaderboard.grouped import OWN
from repbench.leaderboard.judge import ReadExamples, Verdicts
from repbench.leaderboard.tables import Board, wide_table
from repbench.measure import groups
from repbench.results.record import Record

FIRST = ("linear-probe", "knn", "zero-shot")  # the protocols whose examples say most, in this order
SHOWN = 6  # names in a sentence
VALUES = 24  # of a factor whose groups are told apart
PAIRS = 12  # confusions that are listed
MATRIX = 40  # classes up to which the whole matrix is drawn
FAILURES = 24  # examples that are shown


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a report card says. `words`: strengths and weaknesses; `tasks`: one entry a task; `closer`: one entry a dataset."""

    name: str
    rival: str
    words: Mapping[str, list[str]]
    tasks: list[dict[str, Any]]
    closer: list[dict[str, Any]]
    facts: list[tuple[str, str]] = field(default_factory=list)


def make_card(board: Board, read: ReadExamples, verdicts: Verdicts, name: str, rival: str | None = None) -> Card:
    """The card of a row of the board. Raises UnknownNameError for an unknown row, UsageError for a rival that is the same."""
    me = side(board, read, name)
    other = side(board, read, rival or _best_other(board, name))
    if other.name == name:
        raise UsageError(f"{name} cannot be its own rival.")
    tasks = [_task(board, record, verdicts) for _, record in sorted(me.records.items())]
    controls = sorted({record.encoder for record in board.done if record.encoder_kind == "control"} - {name})
    return Card(
        name=name,
        rival=other.name,
        words={
            "strengths": _strengths(tasks, me, other),
            "weaknesses": _weaknesses(tasks, me, other, [side(board, read, control) for control in controls]),
        },
        tasks=tasks,
        closer=[_closer(record, me, other) for record in _telling(me)],
        facts=_facts(next(iter(me.records.values()))),
    )


def _best_other(board: Board, name: str) -> str:
    """The first of the board that was asked at least half of what this row was; else the row that was asked most of it."""
    wide = wide_table(board)
    if name not in set(wide["encoder"]):
        raise UnknownNameError("encoder", name, list(wide["encoder"]), "(a row of the board)")
    others = wide[(wide["encoder"] != name) & (wide["kind"] != "published")]
    if others.empty:
        raise UsageError(f"{name} is the only encoder here; a report card sets it beside another.")
    own = wide.loc[wide["encoder"] == name, board.tasks].notna().to_numpy()[0]
    shared = (others[board.tasks].notna().to_numpy() & own).sum(axis=1)
    enough = np.flatnonzero(2 * shared >= own.sum())
    place = enough[0] if len(enough) else int(np.argmax(shared))
    return str(others["encoder"].iloc[place])


def _task(board: Board, record: Record, verdicts: Verdicts) -> dict[str, Any]:
    column = [one for one in board.done if one.task == record.task and one.value is not None]
    sign = 1 if record.higher_is_better else -1
    best = max(column, key=lambda one: sign * one.value.value)  # type: ignore[union-attr]
    verdict = verdicts[record.encoder, record.task]
    assert record.value is not None
    assert best.value is not None
    return {
        "task": record.task,
        "metric": record.primary,
        "value": record.value.value,
        "low": verdict.low,
        "high": verdict.high,
        "chance": record.chance,
        "lower": not record.higher_is_better,
        "judges": record.judges,
        "best": best.encoder,
        "best_value": best.value.value,
        "rank_low": verdict.rank_low,
        "rank_high": verdict.rank_high,
        "of": len(column),
        "bold": verdict.bold and len(column) > 1,
        "alone": verdict.bold and len(column) > 1 and sum(verdicts[one.encoder, one.task].bold for one in column) == 1,
    }


def _strengths(tasks: Sequence[Mapping[str, Any]], me: Side, rival: Side) -> list[str]:
    judged = [one for one in tasks if one["rank_low"] is not None]
    alone, bold = ([one["task"] for one in judged if one[key]] for key in ("alone", "bold"))
    lines = [f"Significantly ahead of every other encoder on {_named(alone)}."] if alone else []
    if level := [task for task in bold if task not in alone]:
        lines.append(f"Best, or level with the best, on {_named(level)}.")
    gains = sorted((one for one in differences(rival, me) if one.verdict == "better"), key=lambda one: -(one.gain or 0))
    if gains:
        most = gains[0]
        lines.append(
            f"Better than {rival.name} on {_named([one.name for one in gains])}; most on {most.name}, by {most.gain:.3f}"
            f" (95 % interval {most.low:.3f} to {most.high:.3f})."
        )
    return lines or ["On no task here is it shown to be better than the others."]


def _weaknesses(tasks: Sequence[Mapping[str, Any]], me: Side, rival: Side, controls: Sequence[Side]) -> list[str]:
    lines = []
    for control in controls:
        level = [one.name for one in differences(control, me) if one.p is not None and one.verdict != "better"]
        if level:
            lines.append(f"Not shown to be better than {control.name} on {_named(level)}.")
    losses = sorted((one for one in differences(rival, me) if one.verdict == "worse"), key=lambda one: one.gain or 0)
    if losses:
        most = losses[0]
        low, high = -(most.high or 0), -(most.low or 0)
        lines.append(
            f"Worse than {rival.name} on {_named([one.name for one in losses])}; most on {most.name},"
            f" by {-(most.gain or 0):.3f}"
            f" (95 % interval {low:.3f} to {high:.3f})."
        )
    if gap := _widest_gap(me):
        lines.append(gap)
    return lines or ["None that these records show."]


def _widest_gap(me: Side) -> str:
    """The factor whose groups differ most, among groups that are large enough to rank."""
    found: list[tuple[float, str]] = []
    for record in _telling(me):
        examples = me.read(record)
        assert examples is not None
        for column in (str(one) for one in examples if one not in (*OWN, "test", "credit", "confidence")):
            is_cluster = "cluster" in examples and examples[column].astype(str).equals(examples["cluster"].astype(str))
            if is_cluster or not 2 <= examples[column].nunique() <= VALUES:
                continue
            ranked = [one for one in groups.groups_of(examples[column].to_numpy(), _credit(examples)) if one.ranked]
            if len(ranked) > 1:
                low, high = (pick(ranked, key=lambda one: one.accuracy) for pick in (min, max))
                words = f"{column} {low.value} ({low.accuracy:.3f}, n = {low.n}) and best at {high.value} ({high.accuracy:.3f})"
                found.append((high.accuracy - low.accuracy, f"On {record.task} it is worst at {words}."))
    return max(found)[1] if found else ""


def _telling(me: Side) -> list[Record]:
    """One record a dataset whose examples have a class, a prediction and an outcome each: the first protocol of FIRST."""
    found: dict[str, Record] = {}
    for protocol in FIRST:
        for record in me.records.values():
            if record.protocol == protocol and record.dataset not in found and _has_classes(me.read(record)):
                found[record.dataset] = record
    return [found[name] for name in sorted(found)]


def _has_classes(examples: pd.DataFrame | None) -> bool:
    return examples is not None and {"id", "truth", "prediction", "score"} <= set(examples) and "ignored" not in examples


def _closer(record: Record, me: Side, rival: Side) -> dict[str, Any]:
    """Classes, confusions, and where the rival is right and this encoder wrong."""
    examples = me.read(record)
    assert examples is not None
    truth, guess = (examples[name].astype(str).to_numpy() for name in ("truth", "prediction"))
    names, sizes = np.unique(truth, return_counts=True)
    credit = _credit(examples)
    shares = [float(credit[truth == name].mean()) for name in names]
    classes = sorted(zip(names.tolist(), sizes.tolist(), shares, strict=True), key=lambda one: one[2])
    wrong = Counter((str(a), str(b)) for a, b in zip(truth, guess, strict=True) if a != b)
    pairs = sorted(((a, b, count) for (a, b), count in wrong.items()), key=lambda one: (-one[2], one[:2]))
    return {
        "task": record.task,
        "dataset": record.dataset,
        "limit": record.inputs.limit,
        "n": len(examples),
        "names": names.tolist(),
        "classes": classes,
        "confusions": [[a, b, count, int(sizes[names == a][0])] for a, b, count in pairs[:PAIRS]],
        "matrix": _matrix(truth, guess, names) if len(names) <= MATRIX else None,
        **_beside(examples, record, rival),
    }


def _matrix(truth: np.ndarray, guess: np.ndarray, names: np.ndarray) -> list[list[int]]:
    place = {name: at for at, name in enumerate(names)}
    found = np.zeros((len(names), len(names)), dtype=int)
    for a, b in zip(truth, guess, strict=True):
        if b in place:
            found[place[a], place[b]] += 1
    return found.tolist()


def _beside(examples: pd.DataFrame, record: Record, rival: Side) -> dict[str, Any]:
    """How often both are right, only one, or neither; the examples on which only the rival is."""
    other = rival.read(rival.records[record.task]) if record.task in rival.records else None
    if other is None or not _has_classes(other):
        return {"counts": None, "failures": []}
    both = examples[["id", "truth", "prediction", "score"]].merge(
        other[["id", "prediction", "score"]], on="id", suffixes=("", "_rival")
    )
    mine, theirs = both["score"] > 0.5, both["score_rival"] > 0.5
    failures = both[~mine & theirs].sort_values(["truth", "id"])
    spread = np.unique(np.linspace(0, len(failures) - 1, min(FAILURES, len(failures))).round().astype(int))
    columns = ["id", "truth", "prediction"]
    return {
        "counts": {
            "both": int((mine & theirs).sum()),
            "only it": int((mine & ~theirs).sum()),
            "only the rival": len(failures),
            "neither": int((~mine & ~theirs).sum()),
        },
        "failures": failures.iloc[spread][columns].astype(str).to_dict("records") if len(failures) else [],
    }


def _credit(examples: pd.DataFrame) -> np.ndarray:
    return examples["score"].to_numpy(dtype=float)


def _facts(record: Record) -> list[tuple[str, str]]:
    facts = [("fingerprint", record.inputs.encoder_fingerprint)]
    for modality, tower in record.towers.items():
        size = f", {int(tower['parameters']):,} parameters" if tower.get("parameters") else ""
        facts.append((f"{modality} tower", f"{tower.get('dim')} dimensions{size}; {tower.get('features', '')}".strip("; ")))
        facts.append((f"{modality} preparation", str(tower.get("preprocessing", ""))))
    facts += [(name, str(value)) for name, value in record.notes.items()]
    return [(name, value) for name, value in facts if value]


def _named(tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:SHOWN])
    return shown if len(tasks) <= SHOWN else f"{shown} and {len(tasks) - SHOWN} more"
