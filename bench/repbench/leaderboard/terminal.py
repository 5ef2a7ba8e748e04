"""Tables for a terminal: as wide as the window, coloured where a person looks, plain in a pipe."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence

import click
import pandas as pd

from repbench.leaderboard.blocks import GAP, Column, in_blocks, in_lines, width_of, wrapped_name
from repbench.leaderboard.differences import Difference
from repbench.leaderboard.judge import Verdicts
from repbench.leaderboard.limits import titled
from repbench.leaderboard.long import long_table
from repbench.leaderboard.opening import opening_lines, opening_of
from repbench.leaderboard.tables import (
    Board,
    common_line,
    common_tasks,
    failed_lines,
    has_gaps,
    limit_line,
    means_line,
    nothing_line,
    task_title,
    wide_table,
)

WIDE = 10_000  # columns of a pipe
ROOMY = 100  # from here on a task stands in one line with its protocol
LETTERS = 16  # at which a heading wraps
VERDICT = 10  # letters that a verdict has at least
FEW = 8  # encoders up to which they stand across
FAILURES = 8  # reasons that are printed
PRINTED = 100  # encoders that are printed; the files hold all
BEST = "* the best of its task, or not shown to be worse (paired tests, Holm)"


def terminal_width() -> int:
    """Columns of the terminal, or of $COLUMNS; a pipe is as wide as the table."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE


def wants_colour() -> bool | None:
    """False where the user set $NO_COLOR; else as click finds: colours in a terminal, none in a pipe."""
    return False if os.environ.get("NO_COLOR") else None


def board_text(board: Board, verdicts: Verdicts, width: int) -> str:
    """Tasks down and encoders across, or encoders down where they are many, in as many blocks as the width asks for."""
    if not board.done:
        return in_lines(nothing_line(board), width)
    wide = wide_table(board).set_index("encoder").head(PRINTED)
    more = len({record.encoder for record in board.done}) - len(wide)
    text = _tasks_down(board, wide, verdicts, width) if len(wide) <= FEW else _encoders_down(board, wide, verdicts, width)
    notes = [f"… and {more} more encoders"] if more > 0 else []
    notes += [BEST] if verdicts else []
    opening = opening_lines(opening_of(board, verdicts))
    last = "\n".join(in_lines(line, width) for line in opening)
    return "\n\n".join(
        part
        for part in (
            in_lines(limit_line(board), width),
            text,
            *(in_lines(note, width) for note in [*notes, means_line(board), common_line(board)] if note),
            last,
        )
        if part
    )


def failures_text(board: Board, width: int) -> str:
    """What failed and why, a line for each task and reason; the first of many."""
    lines = failed_lines(board)
    more = [f"… and {len(lines) - FAILURES} more; `--out DIR` writes all of them"] if len(lines) > FAILURES else []
    return "\n".join(in_lines(line, width) for line in [*(f"failed: {line}" for line in lines[:FAILURES]), *more])


def aggregate_columns(board: Board) -> tuple[str, ...]:
    """The aggregates that a reader needs: those over common tasks only where they differ from those over all."""
    own = ("mean", "normalised_mean", "mean_rank", "tasks")
    return ("common_mean", "common_rank", *own) if has_gaps(board) else own


def _tasks_down(board: Board, wide: pd.DataFrame, verdicts: Verdicts, width: int) -> str:
    chance = {record.task: record.chance for record in board.done}
    rows = _task_rows(board.tasks, width)
    aggregates = aggregate_columns(board)
    names = [titled(label, board.limits.get(task)) for label, task in rows]
    names += [column.replace("_", " ") for column in aggregates]
    chances = [_number(chance[task]) if task else "" for _, task in rows] + [""] * len(aggregates)
    columns = [] if width < ROOMY / 2 else [Column(title="chance", cells=chances)]
    for name in map(str, wide.index):
        cells = [_cell(wide, name, task, verdicts) if task else "" for _, task in rows]
        columns.append(Column(title=name, cells=[*cells, *(_aggregate(wide[one][name], one) for one in aggregates)]))
    return in_blocks(Column(title="task", cells=names, left=True), columns, width, _letters(width))


def _encoders_down(board: Board, wide: pd.DataFrame, verdicts: Verdicts, width: int) -> str:
    names = list(map(str, wide.index))
    shown = ["\n  ".join(wrapped_name(name, max(16, width // 2))) for name in names]
    columns = [
        Column(title=one.replace("_", " "), cells=[_aggregate(value, one) for value in wide[one].tolist()])
        for one in aggregate_columns(board)
    ]
    columns += [
        Column(title=task_title(board, task), cells=[_cell(wide, name, task, verdicts) for name in names])
        for task in board.tasks
    ]
    return in_blocks(Column(title="encoder", cells=shown, left=True), columns, width, _letters(width))


def _letters(width: int) -> int:
    """At which a heading wraps; in a pipe, which programs read, none does."""
    return width if width >= WIDE else LETTERS if width >= ROOMY else 12


def _task_rows(tasks: Sequence[str], width: int) -> list[tuple[str, str]]:
    """(label, task), where there is little room under a line with their protocol that has no task."""
    if width >= ROOMY:
        return [(task, task) for task in tasks]
    rows: list[tuple[str, str]] = []
    before = ""
    for task in tasks:
        protocol, _, dataset = task.partition("/")
        if protocol != before:
            rows.append((protocol, ""))
            before = protocol
        rows.append((f"  {dataset}", task))
    return rows


def board_json(board: Board) -> str:
    """The wide table, one object an encoder, and the long one, one object a metric; nothing is rounded."""
    tables = {
        "limits": dict(board.limits),
        "common_tasks": common_tasks(board),
        "wide": wide_table(board),
        "long": long_table(board),
    }
    content = {
        key: json.loads(one.to_json(orient="records")) if isinstance(one, pd.DataFrame) else one for key, one in tables.items()
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def differences_text(found: Sequence[Difference], old: str, new: str, what: str = "task", width: int = WIDE) -> str:
    """One line a task or class: both values, the gain with its interval, p, and the verdict.

    In a narrow window the verdict wraps, and what there is no room for is left out: n first, then p, the values, the interval.
    """
    by_name = {one.name: one for one in found}
    rows = _task_rows(list(by_name), width) if what == "task" else [(name, name) for name in by_name]
    shown = [by_name.get(name) for _, name in rows]
    letters = _letters(width)

    def column(title: str, cell: Callable[[Difference], str], *, left: bool = False) -> Column:
        return Column(title=title, cells=["" if one is None else cell(one) for one in shown], left=left)

    first = Column(title=what, cells=[label for label, _ in rows], left=True)
    columns = {
        "old": column(old, lambda one: _number(one.old)),
        "new": column(new, lambda one: _number(one.new)),
        "gain": column("gain", lambda one: _signed(one.gain, 3 if width < ROOMY / 2 else 4)),
        "interval": column("95 % interval", _interval),
        "p": column("p (Holm)", lambda one: _p(one.p)),
        "n": column("n", lambda one: str(one.n or "")),
    }
    room = width - width_of(first, letters) - GAP
    kept: set[str] = set()
    for names in (("gain",), ("interval",), ("old", "new"), ("p",), ("n",)):
        needed = sum(width_of(columns[name], letters) + GAP for name in names)
        if room - needed < VERDICT:
            break
        kept.update(names)
        room -= needed
    verdicts = column("", lambda one: _verdict(one, room), left=True)
    table = in_blocks(first, [*(columns[name] for name in columns if name in kept), verdicts], width, letters)
    return f"{in_lines(f'What {new} gains over {old}:', width)}\n\n{table}"


def differences_json(found: Sequence[Difference], old: str, new: str) -> str:
    """The same as JSON."""
    rows = [{**vars(one), "verdict": one.verdict} for one in found]
    return json.dumps({"old": old, "new": new, "differences": rows}, indent=1, ensure_ascii=False)


def _cell(wide: pd.DataFrame, name: str, task: str, verdicts: Verdicts) -> str:
    value = float(wide[task][name])
    if pd.isna(value):
        return "– "
    verdict = verdicts.get((name, task))
    is_best = verdict is not None and verdict.bold
    return click.style(f"{_number(value)}*", fg="green", bold=True) if is_best else f"{_number(value)} "


def _aggregate(value: float, column: str) -> str:
    if pd.isna(value):
        return "– "
    return (str(int(value)) if column == "tasks" else f"{value:.2f}" if column.endswith("rank") else f"{value:.3f}") + " "


def _verdict(one: Difference, width: int) -> str:
    colour = {"better": "green", "worse": "red"}.get(one.verdict)
    return click.style(one.verdict, fg=colour, bold=True) if colour else in_lines(one.verdict, width)


def _interval(one: Difference) -> str:
    return "" if one.low is None or one.high is None else f"[{one.low:+.4f}, {one.high:+.4f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _signed(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:+.{digits}f}"


def _p(p: float | None) -> str:
    return "" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"
