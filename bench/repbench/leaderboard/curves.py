"""What the page draws from examples: outcomes to compare class by class, accuracy by angle, reliability diagrams."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from repbench.leaderboard.judge import ReadExamples
from repbench.leaderboard.tables import Board
from repbench.measure.calibration import bins_of
from repbench.results.record import Record

OUTCOMES = 6_000_000  # examples x encoders x tasks up to which a page carries every outcome (some bytes each at most)
RIGHT = ("accuracy", "mean-per-class", "unknown-new")  # metrics whose examples are right or wrong; the last is of poses
ANGLES = ("angle", "azimuth", "elevation")  # columns of examples that hold degrees
STEP = re.compile(r"^(.*?)[-_.]?(?:epoch|step|checkpoint|ckpt|iter(?:ation)?)[-_=]?0*(\d+)(?:\.\w+)?$", re.I)

CELLS = 20_000  # above which a page draws nothing from examples

Curves = dict[str, dict[str, Any]]  # "tasks": by task, what all its cells share; "cells": by encoder and task


def curves_of(board: Board, read: ReadExamples) -> Curves:
    """What the page draws beside the table; outcomes only where they are few enough for a page.

    `tasks[task]` has the classes of its examples: `names`, `of` (a place in names for each) and `clusters` (numbers that are
    equal for examples that go together, or None). `cells[encoder][task]` has `o`, the outcomes in that order (see `packed`),
    `y` (curves by angle) and `r` (bins of a reliability diagram), each only where the record has them.
    """
    found: Curves = {"tasks": {}, "cells": {}}
    if len(board.done) > CELLS:
        return found
    is_small = has_few_outcomes(board)
    for record in board.done:
        add_curves(found, record, read(record), outcomes=is_small)
    return found


def has_few_outcomes(board: Board) -> bool:
    """Whether a page can carry every outcome."""
    return sum(record.n for record in board.done) <= OUTCOMES


def add_curves(found: Curves, record: Record, examples: pd.DataFrame | None, *, outcomes: bool) -> None:
    """Add what the page draws of one record."""
    if examples is None or not len(examples):
        return
    cell: dict[str, Any] = {}
    if outcomes and (one := _by_class(record, examples)) is not None:
        shared, outcome = one
        if found["tasks"].setdefault(record.task, shared) == shared:
            cell["o"] = outcome
    angles = _by_angle(examples) if record.primary.startswith(RIGHT) else {}
    cell |= {key: value for key, value in (("y", angles), ("r", _bins(examples))) if value}
    if cell:
        found["cells"].setdefault(record.encoder, {})[record.task] = cell


def packed(outcomes: np.ndarray) -> str:
    """Outcomes (n,) in [0, 1] as text: "b" and base64 of bits where each is 0 or 1, else "u" and base64 of bytes, 255 is 1."""
    if np.isin(outcomes, (0.0, 1.0)).all():
        return "b" + base64.b64encode(np.packbits(outcomes.astype(bool)).tobytes()).decode()
    return "u" + base64.b64encode(np.round(outcomes * 255).astype(np.uint8).tobytes()).decode()


def run_and_step(record: Record) -> tuple[str, int] | None:
    """The training run of an encoder and its step there: from the notes of what `repbench train` wrote, else from its name."""
    match = STEP.match(record.encoder)
    notes: Mapping[str, str] = record.notes
    if {"method", "epochs", "trained on"} <= set(notes) and notes["epochs"].isdigit():
        seed = f", seed {notes['seed']}" if "seed" in notes else ""
        return f"{notes['method']} on {notes['trained on'].partition(' ')[0]}{seed}", int(notes["epochs"])
    return (match.group(1), int(match.group(2))) if match else None


def _by_class(record: Record, examples: pd.DataFrame) -> tuple[dict[str, Any], str] | None:
    """The classes of the examples, in the order of their ids, and the outcomes; None where examples have no class each."""
    if record.primary not in ("accuracy", "mean-per-class") or not {"id", "truth", "score"} <= set(examples):
        return None
    score = examples["score"].to_numpy(dtype=float)
    if "ignored" in examples or not ((score >= 0) & (score <= 1)).all():
        return None
    order = np.argsort(examples["id"].to_numpy().astype(str), kind="stable")
    names, of = np.unique(examples["truth"].to_numpy().astype(str)[order], return_inverse=True)
    clusters = None
    if "cluster" in examples:
        clusters = np.unique(examples["cluster"].to_numpy().astype(str)[order], return_inverse=True)[1].tolist()
    return {"names": names.tolist(), "of": of.tolist(), "clusters": clusters}, packed(score[order])


def _by_angle(examples: pd.DataFrame) -> dict[str, list[list[float]]]:
    """Known and unknown objects -> [angle in degrees from -180, share right, examples], by rising angle."""
    angle = next((name for name in ANGLES if name in examples and pd.api.types.is_numeric_dtype(examples[name])), None)
    credit = "credit" if "credit" in examples else "score"
    if angle is None or credit not in examples or not examples[credit].between(0, 1).all():
        return {}
    test = examples["test"] if "test" in examples else pd.Series("unknown", index=examples.index)
    turned = (examples[angle].astype(float) + 180) % 360 - 180
    found = {}
    parts = {"objects never shown": test.str.startswith("unknown"), "objects shown from other sides": test == "known-new"}
    for name, part in parts.items():
        means = examples.loc[part, credit].groupby(turned[part]).agg(["mean", "size"])
        if len(means) > 2:
            found[name] = [
                [float(at), round(float(mean), 4), int(size)] for at, mean, size in means.itertuples(index=True, name=None)
            ]
    return found


def _bins(examples: pd.DataFrame) -> dict[str, list[list[float]]]:
    """Before and after scaling -> [confidence, accuracy, examples] of each bin that holds any."""
    if "credit" not in examples:
        return {}
    columns = {"before": "confidence before", "after": "confidence"}
    credit = examples["credit"].to_numpy(dtype=float)
    return {
        when: [
            [round(one["confidence"], 4), round(one["accuracy"], 4), int(one["count"])]
            for one in bins_of(examples[name].to_numpy(dtype=float), credit)
        ]
        for when, name in columns.items()
        if name in examples
    }
