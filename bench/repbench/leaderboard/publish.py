"""The board as files: CSV (wide and long), Markdown, LaTeX, Parquet and a page. The same records give the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from repbench.errors import RecordError
from repbench.leaderboard.blind import blind_section
from repbench.leaderboard.curves import Curves
from repbench.leaderboard.effective import effective_section
from repbench.leaderboard.judge import Verdict, Verdicts
from repbench.leaderboard.label_free import foretold_section
from repbench.leaderboard.latex import latex
from repbench.leaderboard.long import long_table
from repbench.leaderboard.opening import one_line, opening_section
from repbench.leaderboard.page import Pairs, render_page
from repbench.leaderboard.redundancy import redundancy_section
from repbench.leaderboard.tables import (
    Board,
    common_line,
    failed_lines,
    limit_line,
    means_line,
    nothing_line,
    stale_lines,
    task_title,
    wide_table,
)
from repbench.leaderboard.wide_rows import whole_table
from repbench.results.files import write_atomically

_PLACES = ["place_low", "place_high", "drop_low", "drop_high"]
FEW = 8  # encoders up to which they stand across
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def publish(
    board: Board,
    folder: Path,
    verdicts: Verdicts | None = None,
    pairs: Pairs | None = None,
    curves: Curves | None = None,
) -> list[Path]:
    """Write leaderboard.csv, .long.csv, .md, .tex, .parquet (the long table) and .html; returns their paths."""
    verdicts = verdicts or {}
    texts = {
        "leaderboard.csv": csv_text(whole_table(board, reported=True)),
        "leaderboard.long.csv": csv_text(long_table(board)),
        "leaderboard.md": markdown(board, verdicts),
        "leaderboard.tex": latex(board, verdicts),
    }
    page = render_page(board, verdicts, pairs, curves)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_atomically(folder / name, text)
        parquet = folder / "leaderboard.parquet"
        beside = parquet.with_suffix(f".{os.getpid()}.tmp")
        long_table(board).to_parquet(beside, index=False)
        os.replace(beside, parquet)
        write_atomically(folder / "leaderboard.html", page)
    except OSError as error:
        raise RecordError(f"{folder}: the leaderboard cannot be written ({error.strerror or error}).") from error
    return [folder / name for name in (*texts, "leaderboard.parquet", "leaderboard.html")]


def csv_text(table: pd.DataFrame, digits: str = "%.6f") -> str:
    """CSV with six decimals and Unix line ends; a text that a spreadsheet would run as a formula is quoted with '."""
    table = table.rename(columns=_harmless)
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = pd.Series(
                [_harmless(value) for value in table[column].to_numpy(dtype=object).tolist()], index=table.index, dtype=object
            )
    return table.to_csv(index=False, float_format=digits, lineterminator="\n")


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")  # csv leaves a bare one unquoted, and a spreadsheet begins a new line there
    return f"'{text}" if value.lstrip(" \n").startswith(_FORMULA) else text


def main_table(board: Board, verdicts: Verdicts) -> str:
    """The table of leaderboard.md: encoders and tasks, and the aggregates."""
    """Tasks down, encoders across; the other way round where there are many encoders."""
    from tabulate import tabulate

    wide = wide_table(board).set_index("encoder")
    if wide.empty:
        return nothing_line(board)
    chance = {record.task: record.chance for record in board.done}
    left_out = [] if common_line(board) else ["common_mean", "common_rank"]
    numbers = wide.drop(columns=["kind", *_PLACES, *left_out])
    columns = [_column(numbers[name], name, verdicts) for name in numbers.columns]
    titles = [task_title(board, name) if name in chance else name.replace("_", " ") for name in numbers.columns]
    if len(wide) > FEW:
        return _plain([list(row) for row in zip(numbers.index, *columns, strict=True)], ["encoder", *titles])
    rows = [
        [title, _chance(chance.get(name)), *cells] for name, title, cells in zip(numbers.columns, titles, columns, strict=True)
    ]
    align = ("left", "right", *["right"] * len(numbers))
    headers = ["task", "chance", *numbers.index]
    return str(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True, colalign=align))


def _column(values: pd.Series, name: str, verdicts: Verdicts) -> list[str]:
    found = [verdicts.get((str(encoder), name)) for encoder in values.index]
    return [_marked(_cell(value, name), verdict) for value, verdict in zip(values.tolist(), found, strict=True)]


def _plain(rows: list[list[str]], headers: list[str]) -> str:
    """A table of Markdown without padding: a large one is read by programs."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(one_line(str(cell)) for cell in line) + " |" for line in lines)


def _chance(chance: float | None) -> str:
    return "" if chance is None else f"{chance:.3f}"


def _marked(text: str, verdict: Verdict | None) -> str:
    return f"**{text}**" if verdict is not None and verdict.bold else text


def _cell(value: float, column: str) -> str:
    if pd.isna(value):
        return "–"
    if column == "tasks":
        return str(int(value))
    return f"{value:.2f}" if column.endswith("rank") else f"{value:.3f}"


def markdown(board: Board, verdicts: Verdicts | None = None) -> str:
    """The board as a Markdown document, with what is stale and what failed."""
    parts = [
        "# Leaderboard",
        *filter(None, [limit_line(board)]),
        *opening_section(board, verdicts or {}),
        main_table(board, verdicts or {}),
    ]
    parts.append(
        "Each cell is the primary metric of its task. The mean is over tasks scored as a share of right answers; ranks"
        " count every task (1 is best). Bold: best of its row, or not significantly worse (paired, Holm, p > 0.05)."
        " – is a task that the encoder cannot do or has not done."
    )
    parts += [*filter(None, [means_line(board), common_line(board)]), *redundancy_section(board)]
    parts += [*blind_section(board), *foretold_section(board), *effective_section(board)]
    if board.published:
        parts += ["## Reported in papers, not measured here; in no rank and no mean", _reported(board)]
    if board.stale:
        parts += ["## Stale: left out, since it cannot be compared", "\n".join(f"- {line}" for line in stale_lines(board))]
    if failed := failed_lines(board):
        parts += ["## Failed", "\n".join(f"- {one_line(line)}" for line in failed)]
    return "\n\n".join(parts) + "\n"


def _reported(board: Board) -> str:
    from tabulate import tabulate

    rows = [
        [one.task, one_line(one.encoder), f"{one.value.value:.4g}" if one.value else "", one_line(one.source)]
        for one in sorted(board.published, key=lambda one: (one.task, one.encoder))
    ]
    return str(tabulate(rows, headers=["task", "system", "reported", "source"], tablefmt="github", disable_numparse=True))
