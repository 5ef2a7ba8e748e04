"""Commands about what papers report: reproduce."""

from __future__ import annotations

from pathlib import Path

import click

from repbench.cli.options import RESULTS
from repbench.errors import UsageError


@click.command()
@click.argument("table")
@click.argument("results", nargs=-1, type=RESULTS)
@click.option("--as", "same", multiple=True, metavar="ENCODER=SYSTEM", help="A row of the results is that system.")
def reproduce(table: str, results: tuple[Path, ...], same: tuple[str, ...]) -> None:
    """Set the published TABLE against what was measured in the folders RESULTS, and say what may explain a difference.

    Without RESULTS the table is printed as it was published. `repbench list published` shows the tables.
    """
    from repbench.leaderboard.gather import open_board
    from repbench.leaderboard.published import read_table
    from repbench.leaderboard.reproduce import compare_table, reproduce_lines, table_lines

    rows = read_table(table)
    if not results:
        for line in table_lines(rows):
            click.echo(line)
        return
    board, _ = open_board(results)
    found = compare_table(rows, board.done, _pairs(same, [row.system for row in rows]))
    if all(one.record is None for one in found):
        has = ", ".join(sorted({record.encoder for record in board.done})[:8]) or "none"
        raise UsageError(
            f"nothing in {', '.join(map(str, results))} is a system of {table!r} on one of its tasks; encoders there: {has}. "
            f"If one of them is, say so: --as 'ENCODER={rows[0].system}'."
        )
    for line in reproduce_lines(found):
        click.echo(line)


def _pairs(texts: tuple[str, ...], systems: list[str]) -> dict[str, str]:
    """Encoder -> system. The name of an encoder may hold "="; of the ways to cut, the one whose system is known."""
    found = {}
    for text in texts:
        cuts = [place for place, letter in enumerate(text) if letter == "=" and text[place + 1 :] in systems]
        if not cuts:
            known = ", ".join(dict.fromkeys(systems))
            raise UsageError(f"--as {text!r}: write ENCODER=SYSTEM, with one of these systems: {known}.")
        found[text[: cuts[0]]] = text[cuts[0] + 1 :]
    return found
