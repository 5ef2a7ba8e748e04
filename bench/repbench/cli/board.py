"""Commands that read records: leaderboard, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from repbench.cli.options import DATA, PLUGIN, RESULTS, STORE
from repbench.errors import UsageError

if TYPE_CHECKING:
    from repbench.leaderboard.gather import Examples
    from repbench.leaderboard.judge import Verdicts
    from repbench.leaderboard.tables import Board


@click.command()
@click.argument("results", nargs=-1, required=True, type=RESULTS)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the tables (CSV, Parquet, Markdown, LaTeX) and the page.",
)
@click.option("--with-published", is_flag=True, help="Show what papers report of the same tasks beside it, marked so.")
@click.option("--rank-published", is_flag=True, help="The same, and let it count in ranks and means.")
def leaderboard(results: tuple[Path, ...], out: Path | None, with_published: bool, rank_published: bool) -> None:
    """Make the leaderboard of all records below the folders RESULTS, and print it.

    Exit status: 0 a board, 1 all of its records failed (their reasons are printed, and written with --out), 2 no records.
    """
    from repbench.leaderboard.finished import finished_of
    from repbench.leaderboard.terminal import terminal_width, wants_colour

    published = with_published or rank_published
    width, colour = terminal_width(), wants_colour()
    finished = None if published else finished_of(results, out, width)
    if finished is not None and (known := finished.recall()) is not None:
        printed, unchanged = known
        click.echo("\n".join([printed, *(f"unchanged {path}" for path in unchanged)]), color=colour)
        return
    from repbench.leaderboard.publish import publish
    from repbench.leaderboard.remembered import curves_board, errors_board, judge_board

    board, read = _board_of(results, rank_published if published else None)
    verdicts = {} if out is None else judge_board(board, read)
    printed = "\n".join(_printed(board, verdicts, width))
    click.echo(printed, color=colour)
    written = [] if out is None else publish(board, out, verdicts, errors_board(board, read), curves_board(board, read))
    for path in written:
        click.echo(f"wrote {path}")
    if finished is not None and board.done:
        finished.keep(printed, written)
    if not board.done:
        raise SystemExit(1)


def _board_of(results: tuple[Path, ...], rank_published: bool | None) -> tuple[Board, Examples]:
    from repbench.leaderboard.gather import open_board
    from repbench.leaderboard.published import all_tables, with_published

    board, read = open_board(results, remember=True)
    if not board.done and not board.failed:
        near = _results_near(results)
        advice = f"{near} holds some, name that" if near else "`repbench run ENCODER --out DIR` makes some"
        raise UsageError(f"no records in {', '.join(map(str, results))} as a run lays them; {advice}.")
    return (board if rank_published is None else with_published(board, all_tables(), rank=rank_published)), read


def _results_near(folders: tuple[Path, ...]) -> Path | None:
    """Where records lie if the folder above them all was meant: a folder in one of `folders`, or the one that holds it."""
    from repbench.results.files import record_files

    above = (folder.parent for folder in folders if any(folder.glob("*/*/*.json")))
    inside = (child for folder in folders for child in sorted(folder.glob("*/")))
    return next((place for place in (*above, *inside) if record_files(place)), None)


def _printed(board: Board, verdicts: Verdicts, width: int) -> list[str]:
    from repbench.leaderboard.published import published_lines
    from repbench.leaderboard.tables import stale_lines
    from repbench.leaderboard.terminal import board_text, failures_text

    lines = [board_text(board, verdicts, width)]
    lines += [failed] if (failed := failures_text(board, width)) else []
    if board.published:
        lines += ["reported in papers, not measured here:", *published_lines(board)]
    return [*lines, *(f"left out: {line}" for line in stale_lines(board))]


@click.command()
@click.argument("encoder")
@click.option("--results", multiple=True, default=("results",), show_default=True, type=RESULTS)
@click.option("--out", default="report.html", show_default=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--rival", help="The row that it is set beside. [default: the best other one]")
@click.option("--store", type=STORE, help="Folder of embeddings, for maps and neighbours.")
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
    from repbench.leaderboard.terminal import board_json, board_text, failures_text, terminal_width, wants_colour

    board, read = open_board([results], remember=True)
    if not board.done and not board.failed:
        raise UsageError(f"no results below {results}; `repbench run ENCODER --out {results}` makes some.")
    if as_json:
        click.echo(board_json(board))
    else:
        width = terminal_width()
        click.echo(board_text(board, judge_board(board, read), width), color=wants_colour())
        if failed := failures_text(board, width):
            click.echo(failed)
        for line in stale_lines(board):
            click.echo(f"left out: {line}")
    if not board.done:
        raise SystemExit(1)
