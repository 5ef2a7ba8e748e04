"""Commands that read records: leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from repbench.errors import UsageError


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the tables (CSV, Parquet, Markdown, LaTeX) and the page.",
)
def leaderboard(results: tuple[Path, ...], out: Path | None) -> None:
    """Make the leaderboard of all records below the folders RESULTS, and print it."""
    from repbench.leaderboard.gather import open_board
    from repbench.leaderboard.judge import judge, paired_errors
    from repbench.leaderboard.publish import publish, text_table
    from repbench.leaderboard.tables import stale_lines

    board, read = open_board(results)
    if not board.done and not board.failed:
        raise UsageError(f"no records below {', '.join(map(str, results))}; `repbench run ENCODER --out DIR` makes some.")
    click.echo(text_table(board))
    if board.limit is not None:
        click.echo(f"a quick look: at most {board.limit} examples a split (or one a class)")
    for line in stale_lines(board):
        click.echo(f"left out: {line}")
    if out is not None:
        for path in publish(board, out, judge(board, read), paired_errors(board, read)):
            click.echo(f"wrote {path}")
