"""Commands that read records: leaderboard, report."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from repbench.cli.options import DATA, PLUGIN
from repbench.errors import UsageError

if TYPE_CHECKING:
    from repbench.leaderboard.gather import Examples
    from repbench.leaderboard.tables import Board

WIDE = 10_000  # columns of a pipe
PRINTED = 100  # encoders that `leaderboard` prints; the files hold all


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the tables (CSV, Parquet, Markdown, LaTeX) and the page.",
)
@click.option("--with-published", is_flag=True, help="Show what papers report of the same tasks beside it, marked so.")
@click.option("--rank-published", is_flag=True, help="The same, and let it count in ranks and means.")
def leaderboard(results: tuple[Path, ...], out: Path | None, with_published: bool, rank_published: bool) -> None:
    """Make the leaderboard of all records below the folders RESULTS, and print it."""
    from repbench.leaderboard.finished import finished_of

    published = with_published or rank_published
    finished = None if published else finished_of(results, out)
    if finished is not None and (known := finished.recall()) is not None:
        printed, unchanged = known
        click.echo("\n".join([printed, *(f"unchanged {path}" for path in unchanged)]))
        return
    board, read = _board_of(results, rank_published if published else None)
    printed = "\n".join(_printed(board))
    click.echo(printed)
    written = [] if out is None else _publish(board, read, out)
    for path in written:
        click.echo(f"wrote {path}")
    if finished is not None:
        finished.keep(printed, written)


def _board_of(results: tuple[Path, ...], rank_published: bool | None) -> tuple[Board, Examples]:
    from repbench.leaderboard.gather import open_board
    from repbench.leaderboard.published import all_tables, with_published

    board, read = open_board(results, remember=True)
    if not board.done and not board.failed:
        raise UsageError(f"no records below {', '.join(map(str, results))}; `repbench run ENCODER --out DIR` makes some.")
    return (board if rank_published is None else with_published(board, all_tables(), rank=rank_published)), read


def _printed(board: Board) -> list[str]:
    from repbench.leaderboard.publish import text_table
    from repbench.leaderboard.published import published_lines
    from repbench.leaderboard.tables import common_line, stale_lines

    lines = [text_table(board, most=PRINTED)]
    if board.published:
        lines += ["reported in papers, not measured here:", *published_lines(board)]
    if line := common_line(board):
        lines.append(line)
    if board.limit is not None:
        lines.append(f"a quick look: at most {board.limit} examples a split (or one a class)")
    return [*lines, *(f"left out: {line}" for line in stale_lines(board))]


def _publish(board: Board, read: Examples, out: Path) -> list[Path]:
    from repbench.leaderboard.publish import publish
    from repbench.leaderboard.remembered import curves_board, errors_board, judge_board

    return publish(board, out, judge_board(board, read), errors_board(board, read), curves_board(board, read))


@click.command()
@click.argument("encoder")
@click.option("--results", multiple=True, default=("results",), show_default=True, type=click.Path(path_type=Path))
@click.option("--out", default="report.html", show_default=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--rival", help="The row that it is set beside. [default: the best other one]")
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), help="Folder of embeddings, for maps and neighbours."
)
@DATA
@PLUGIN
def report(
    encoder: str,
    results: tuple[Path, ...],
    out: Path,
    rival: str | None,
    store: Path | None,
    data: Path | None,
    plugins: tuple[Path, ...],
) -> None:
    """Write the report card of ENCODER, a row of the board: strengths, weaknesses, maps, neighbours, confusions, failures."""
    from repbench.leaderboard.report import write_report
    from repbench.run.settings import default_store

    where = store or default_store()
    for line in write_report(encoder, results, out, where, rival=rival, data=data, plugins=plugins):
        click.echo(f"not shown: {line}")
    click.echo(f"wrote {out}")


def show_board(results: Path, as_json: bool) -> None:
    """Print the board of a folder as wide as the terminal, in colour where a person looks, or as JSON."""
    from repbench.leaderboard.gather import open_board
    from repbench.leaderboard.remembered import judge_board
    from repbench.leaderboard.tables import stale_lines
    from repbench.leaderboard.terminal import board_json, board_text

    board, read = open_board([results], remember=True)
    if not board.done:
        raise UsageError(f"no results below {results}; `repbench run ENCODER --out {results}` makes some.")
    if as_json:
        click.echo(board_json(board))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    click.echo(board_text(board, judge_board(board, read), width))
    for line in stale_lines(board):
        click.echo(f"left out: {line}")
