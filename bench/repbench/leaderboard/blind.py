"""Beside a compositional score: what the best blind rule scores, what it solves, and what the encoder scores on the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repbench.embeddings.needs import TYPICAL
from repbench.leaderboard.tables import Board
from repbench.results.record import Record

COLUMNS = {  # title of a column -> metric of the record (protocols/_blind.py)
    "blind best": "blind-best",
    "solved blind": "blind-solved",
    "score on the rest": "score-where-blind-fails",
    "shuffled images": "shuffled-images",
}
ENCODER_COLUMN = "sentence encoder"  # title of the column of the rule TYPICAL


def beside_blind(record: Record) -> dict[str, Any]:
    """The blind figures of a record by title, the sentence encoder's and the name of the best rule too; {} without them."""
    found: dict[str, Any] = {
        title: round(record.metrics[name].value, 4) for title, name in COLUMNS.items() if name in record.metrics
    }
    told = record.diagnostics.get("blind")
    if not found or not isinstance(told, Mapping):
        return found
    rules = told.get("rules")
    typical = rules.get(TYPICAL) if isinstance(rules, Mapping) else None
    asked = {ENCODER_COLUMN: round(typical, 4) if isinstance(typical, int | float) else "not asked"}
    return found | asked | {"best blind rule": str(told.get("best", ""))}


def blind_section(board: Board) -> list[str]:
    """The part of the Markdown board on blind rules, a row for each compositional score; [] where there is none."""
    from tabulate import tabulate

    told = [(record, found) for record in board.done if (found := beside_blind(record))]
    if not told:
        return []
    rows = [
        [
            record.task,
            record.encoder.replace("|", "\\|"),
            _share(record.value.value if record.value else None),
            *(_share(found.get(title)) for title in (*COLUMNS, ENCODER_COLUMN)),
            found.get("best blind rule", "–"),
        ]
        for record, found in told
    ]
    headers = ["task", "encoder", "score", *COLUMNS, ENCODER_COLUMN, "best blind rule"]
    align = ("left", "left", *["right"] * (2 + len(COLUMNS)), "left")
    return [
        "## Compositional probes beside blind rules",
        str(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)),
        "Blind best: what the best rule that sees only captions scores. Solved blind: the share of examples that it gets right"
        " without luck; beside it the encoder's score on the others. With shuffled images an encoder that looks scores chance."
        " Sentence encoder: what choosing the caption scores that is the most typical for all-MiniLM-L6-v2, one of the blind"
        " rules; not asked: the record says why, and what to install.",
    ]


def _share(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "–" if value is None else f"{value:.3f}"
