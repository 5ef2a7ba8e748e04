"""The board as one self-contained page that opens from disk: sort by click, filter by typing, intervals on hover."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pandas as pd

from repbench.leaderboard.tables import Board, wide_table


def render_page(board: Board) -> str:
    """The HTML text. Every name is escaped."""
    import jinja2

    source = (files("repbench") / "leaderboard" / "page.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    wide = wide_table(board)
    text: str = environment.from_string(source).render(
        tasks=[_heading(task, board) for task in board.tasks],
        rows=[_row(entry, board) for entry in wide.to_dict("records")],
        failed=[record for record in board.failed if not record.reason.startswith("missing modality")],
        stale=board.stale,
    )
    return text


def _heading(task: str, board: Board) -> dict[str, Any]:
    record = next(record for record in board.done if record.task == task)
    protocol, dataset = task.split("/")
    return {
        "name": task,
        "protocol": protocol,
        "dataset": dataset,
        "metric": record.primary,
        "chance": record.chance,
        "lower": not record.higher_is_better,
    }


def _row(entry: dict[Any, Any], board: Board) -> dict[str, Any]:
    records = {record.task: record for record in board.done if record.encoder == entry["encoder"]}
    cells = []
    for task in board.tasks:
        record = records.get(task)
        cells.append(None if record is None else _cell(record))
    return {
        "encoder": entry["encoder"],
        "kind": entry["kind"],
        "cells": cells,
        "tasks": entry["tasks"],
        "mean": None if pd.isna(entry["mean"]) else entry["mean"],
        "mean_rank": entry["mean_rank"],
    }


def _cell(record: Any) -> dict[str, Any]:
    value = record.value
    hover = [f"{record.primary} {value.value:.4f}"]
    if value.low is not None and value.high is not None:
        hover.append(f"95 % interval {value.low:.4f} to {value.high:.4f}")
    hover.append(f"n = {record.n}")
    hover += [f"{name} {one.value:.4f}" for name, one in record.metrics.items() if name != record.primary]
    if record.chance is not None:
        hover.append(f"chance {record.chance:.4f}")
    return {"value": value.value, "hover": "\n".join(hover), "shade": _shade(record)}


def _shade(record: Any) -> float | None:
    """How far from chance to perfect, in [0, 1]; None where the scale is open."""
    if record.chance is None or not record.higher_is_better or record.chance >= 1:
        return None
    return float(min(max((record.value.value - record.chance) / (1 - record.chance), 0.0), 1.0))
