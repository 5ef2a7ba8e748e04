"""What leaderboard.csv has beside the wide table: the limits of tasks, what papers report, and what failed."""

from __future__ import annotations

import pandas as pd

from repbench.leaderboard.tables import Board, is_unfit, task_title, wide_table

WHOLE = ("tasks", "place_low", "place_high", "drop_low", "drop_high")  # columns of whole numbers


def whole_table(board: Board, *, reported: bool) -> pd.DataFrame:
    """What leaderboard.csv holds: the wide table, below it what is `reported` and what failed; limits stand in the titles."""
    wide = wide_table(board)
    table = with_failures(with_reported(wide, board) if reported else wide, board)
    return table.rename(columns={task: task_title(board, task) for task in board.tasks})


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
