"""Commands about what is known: list, show."""

from __future__ import annotations

from pathlib import Path

import click

from repbench.cli.board import show_board
from repbench.cli.options import PLUGIN


@click.command(name="list")
@click.argument("what", type=click.Choice(["tasks", "datasets", "encoders", "methods", "published"]))
@PLUGIN
def list_(what: str, plugins: tuple[Path, ...]) -> None:
    """List the known tasks, datasets, training methods, tables of papers, or the ways to name an encoder."""
    from repbench.listing import list_lines

    for line in list_lines(what, plugins):
        click.echo(line)


@click.command()
@click.argument("name", metavar="TASK|DATASET|RESULTS")
@PLUGIN
@click.option("--json", "as_json", is_flag=True, help="Print a folder of results as JSON.")
def show(name: str, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Show all facts of a task (protocol/dataset) or of a dataset, or the board of a folder of results."""
    if Path(name).is_dir():
        show_board(Path(name), as_json)
        return
    from repbench.listing import show_lines

    for line in show_lines(name, plugins):
        click.echo(line)
