"""The report card as one self-contained page: the words and figures of `card`, the maps and pictures of `picture`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.dataset import Dataset
from repbench.errors import RecordError, RepbenchError
from repbench.leaderboard.card import Card, make_card
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.page import fill_template
from repbench.leaderboard.picture import gallery_of, items_of, map_of, pictures
from repbench.leaderboard.remembered import judge_board
from repbench.results.files import write_atomically
from repbench.results.record import Record

STYLES, SCRIPTS = ("page", "report"), ("core", "report")


def write_report(
    name: str,
    results: Sequence[Path],
    out: Path,
    store: Path,
    *,
    rival: str | None = None,
    data: Path | None = None,
    plugins: Sequence[Path] = (),
) -> list[str]:
    """Write the card of a row of the board to `out`; returns what could not be shown, and why.

    Raises as `make_card`, and RecordError where the file cannot be written.
    """
    board, read = open_board(results, remember=True)
    card = make_card(board, read, judge_board(board, read), name, rival)
    records = {record.task: record for record in board.done if record.encoder == name}
    notes: list[str] = []
    for entry in card.closer:
        try:
            entry |= _shown(entry, records[entry["task"]], _opened(entry, data, plugins), store)
        except RepbenchError as error:
            notes.append(f"{entry['dataset']}: no map or pictures ({error})")
    text = fill_template("report.html.jinja", styles=STYLES, scripts=SCRIPTS, data=_content(card), encoder=name, notes=notes)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text)
    except OSError as error:
        raise RecordError(f"{out}: the report card cannot be written ({error.strerror or error}).") from error
    return notes


def _opened(entry: dict[str, Any], data: Path | None, plugins: Sequence[Path]) -> Dataset:
    from repbench.datasets.open import open_dataset
    from repbench.tasks import load_catalogue

    declaration = load_catalogue(tuple(plugins)).dataset(entry["dataset"])
    return open_dataset(declaration, data, entry["limit"])


def _shown(entry: dict[str, Any], record: Record, dataset: Dataset, store: Path) -> dict[str, Any]:
    """Pictures of the failures, then the map and the neighbours where the store has the embeddings."""
    split, medium = dataset.splits["test"], dataset.declaration.medium
    places = {str(one): place for place, one in enumerate(split.ids)}
    found = [places[one["id"]] for one in entry["failures"] if one["id"] in places]
    if len(found) == len(entry["failures"]):
        entry["failures"] = [
            {**one, "picture": picture}
            for one, picture in zip(entry["failures"], pictures(split, medium, np.array(found, dtype=int)), strict=True)
        ]
    items = items_of(dataset, record, store)
    return {
        "map": map_of(items, dataset.declaration.factors),
        "gallery": gallery_of(items),
        "pictures": pictures(split, medium, items.places),
        "labels": [split.class_names[one] for one in split.label[items.places]] if split.label.ndim == 1 else [],
    }


def _content(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "rival": card.rival,
        "words": dict(card.words),
        "tasks": card.tasks,
        "closer": card.closer,
        "facts": card.facts,
    }
