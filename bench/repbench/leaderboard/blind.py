"""Beside a compositional score: what the best blind rule scores, what it solves, and what the encoder scores on the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repbench.leaderboard.tables import Board
from repbench.results.record import Record

COLUMNS = {  # title of a column -> metric of the record (protocols/_blind.py)
    "blind best": "blind-best",
    "solved blind": "blind-solved",
    "score on the rest": "score-where-blind-fails",
    "shuffled images": "shuffled-images",
}


def beside_blind(record: Record) -> dict[str, Any]:
    """The blind figures of a record by title, with the name of the best rule; {} of one that has none."""
    found: dict[str, Any] = {
        title: round(record.metrics[name].value, 4) for title, name in COLUMNS.items() if name in record.metrics
    }
    told = record.diagnostics.get("blind")
    return found | {"best blind rule": str(told["best"])} if found and isinstance(told, Mapping) else found


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
            *(_share(found.get(title)) for title in COLUMNS),
            found.get("best blind rule", "–"),
        ]
        for record, found in told
    ]
    headers = ["task", "encoder", "score", *COLUMNS, "best blind rule"]
    align = ("left", "left", *["right"] * (1 + len(COLUMNS)), "left")
    return [
        "## Compositional probes beside blind rules",
        str(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)),
        "Blind best: what the best rule that sees only captions scores. Solved blind: the share of examples that it gets right"
        " without luck; beside it the encoder's score on the others. With shuffled images an encoder that looks scores chance.",
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
