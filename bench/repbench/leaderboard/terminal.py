"""Tables for a terminal: as wide as the window, coloured where a person looks, plain in a pipe."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
import pandas as pd

from repbench.leaderboard.differences import Difference
from repbench.leaderboard.judge import Verdicts
from repbench.leaderboard.long import long_table
from repbench.leaderboard.tables import Board, common_line, common_tasks, wide_table

FIXED = 48  # columns that task and chance take, at most
NAME = 28  # letters of an encoder's name that a column shows


def board_text(board: Board, verdicts: Verdicts, width: int) -> str:
    """Tasks down, encoders across, in as many blocks as the width asks for; the best and all that are not worse are green."""
    from tabulate import tabulate

    wide = wide_table(board).set_index("encoder")
    chance = {record.task: record.chance for record in board.done}
    names = list(wide.index)
    each = max(1, (width - FIXED) // (max(10, min(NAME, max(map(len, names)))) + 2))
    blocks = []
    for start in range(0, len(names), each):
        shown = names[start : start + each]
        rows = [[task, _number(chance[task]), *(_cell(wide, name, task, verdicts) for name in shown)] for task in board.tasks]
        for column in aggregate_columns(board):
            rows.append([column.replace("_", " "), "", *(_aggregate(wide.loc[name, column], column) for name in shown)])
        headers = ["task", "chance", *(_short(name) for name in shown)]
        align = ("left", *["right"] * (len(headers) - 1))
        blocks.append(str(tabulate(rows, headers=headers, disable_numparse=True, colalign=align)))
    return "\n\n".join([*blocks, *filter(None, [common_line(board)])])


def aggregate_columns(board: Board) -> tuple[str, ...]:
    """The aggregates that a reader needs: those over common tasks only where they differ from those over all."""
    own = ("mean", "normalised_mean", "mean_rank", "tasks")
    return own if len(common_tasks(board)) == len(board.judging) else ("common_mean", "common_rank", *own)


def board_json(board: Board) -> str:
    """The wide table, one object an encoder, and the long one, one object a metric; nothing is rounded."""
    tables = {"limit": board.limit, "common_tasks": common_tasks(board), "wide": wide_table(board), "long": long_table(board)}
    content = {
        key: json.loads(one.to_json(orient="records")) if isinstance(one, pd.DataFrame) else one for key, one in tables.items()
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def differences_text(found: Sequence[Difference], old: str, new: str, what: str = "task") -> str:
    """One line a task or class: both values, the gain with its interval, p, and the verdict."""
    from tabulate import tabulate

    rows = [
        [one.name, _number(one.old), _number(one.new), _signed(one.gain), _interval(one), _p(one.p), one.n or "", _verdict(one)]
        for one in found
    ]
    headers = [what, _short(old), _short(new), "gain", "95 % interval", "p (Holm)", "n", ""]
    align = ("left", "right", "right", "right", "right", "right", "right", "left")
    return str(tabulate(rows, headers=headers, disable_numparse=True, colalign=align))


def differences_json(found: Sequence[Difference], old: str, new: str) -> str:
    """The same as JSON."""
    rows = [{**vars(one), "verdict": one.verdict} for one in found]
    return json.dumps({"old": old, "new": new, "differences": rows}, indent=1, ensure_ascii=False)


def _cell(wide: pd.DataFrame, name: str, task: str, verdicts: Verdicts) -> str:
    value = float(wide[task][name])
    if pd.isna(value):
        return "–"
    verdict = verdicts.get((name, task))
    return click.style(_number(value), fg="green", bold=True) if verdict is not None and verdict.bold else _number(value)


def _aggregate(value: float, column: str) -> str:
    if pd.isna(value):
        return "–"
    return str(int(value)) if column == "tasks" else f"{value:.2f}" if column.endswith("rank") else f"{value:.3f}"


def _verdict(one: Difference) -> str:
    colour = {"better": "green", "worse": "red"}.get(one.verdict)
    return click.style(one.verdict, fg=colour, bold=True) if colour else one.verdict


def _interval(one: Difference) -> str:
    return "" if one.low is None or one.high is None else f"[{one.low:+.4f}, {one.high:+.4f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _p(p: float | None) -> str:
    return "" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
