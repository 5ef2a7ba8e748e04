"""What leaderboard.csv has beside the wide table: the limit of a quick look, what papers report, and what failed."""

from __future__ import annotations

import pandas as pd

from repbench.leaderboard.tables import Board, is_unfit

WHOLE = ("tasks", "limit", "place_low", "place_high", "drop_low", "drop_high")  # columns of whole numbers


def with_limit(wide: pd.DataFrame, board: Board) -> pd.DataFrame:
    """The wide table of a quick look with a column `limit` behind the kind, so that no row is read as a full result."""
    if board.limit is None:
        return wide
    table = wide.copy()
    table.insert(2, "limit", pd.Series([board.limit] * len(wide), dtype="Int64"))
    return table


def with_failures(wide: pd.DataFrame, board: Board) -> pd.DataFrame:
    """The wide table and, below it, an empty row for each encoder that has no result at all, only failures."""
    kinds = {record.encoder: record.encoder_kind for record in board.failed if not is_unfit(record)}
    lacking = sorted(set(kinds) - set(wide["encoder"]))
    if not lacking:
        return wide
    empty = pd.DataFrame({"encoder": lacking, "kind": [kinds[name] for name in lacking], "tasks": 0})
    table = pd.concat([wide, empty], ignore_index=True).reindex(columns=wide.columns)
    return table.astype({name: "Int64" for name in WHOLE if name in table})


def with_reported(wide: pd.DataFrame, board: Board) -> pd.DataFrame:
    """The wide table and, below it, a row for each system that papers report, without aggregates; `source` says where."""
    if not board.published:
        return wide
    cells: dict[str, dict[str, object]] = {}
    for record in board.published:
        row = cells.setdefault(record.encoder, {"encoder": record.encoder, "kind": record.encoder_kind, "tasks": 0})
        row |= {record.task: record.value.value if record.value else None, "source": record.source}
        row["tasks"] = sum(task in row for task in board.judging)
    added = pd.DataFrame([cells[name] for name in sorted(cells)]).reindex(columns=[*wide.columns, "source"])
    kinds = {name: "Int64" if name in WHOLE else str(wide[name].dtype) for name in wide.columns}
    return pd.concat([wide.astype(kinds), added.astype(kinds)], ignore_index=True)
