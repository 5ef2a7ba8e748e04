"""Commands about what is known: list, show."""

from __future__ import annotations

from pathlib import Path

import click

from repbench.cli.board import show_board
from repbench.cli.options import DATA, PLUGIN
from repbench.errors import UnknownNameError, UsageError


@click.command(name="list")
@click.argument("what", type=click.Choice(["tasks", "datasets", "encoders", "methods", "published"]))
@DATA
@PLUGIN
def list_(what: str, data: Path | None, plugins: tuple[Path, ...]) -> None:
    """List the known tasks, datasets, training methods, tables of papers, or the ways to name an encoder.

    With --data, tasks on data that lie there are not called absent.
    """
    from repbench.listing import list_lines

    for line in list_lines(what, plugins, data):
        click.echo(line)


@click.command()
@click.argument("name", metavar="TASK|DATASET|METHOD|RESULTS")
@PLUGIN
@click.option("--json", "as_json", is_flag=True, help="Print a folder of results as JSON.")
def show(name: str, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Show all facts of a task (protocol/dataset), a dataset or a training method, or the board of a folder of results."""
    from repbench.remote import here, is_address

    folder = here(name) if is_address(name) else Path(name)
    if folder.is_dir():
        show_board(folder, as_json)
        return
    if folder.exists():
        raise UsageError(f"{name} is a file, and no folder of results.")
    if is_address(name) or name.endswith("/") or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UsageError(f"{name}: there is no such folder of results; `repbench run ENCODER --out {name}` makes one.")
    from repbench.listing import show_lines

    try:
        lines = list(show_lines(name, plugins))
    except UnknownNameError as error:
        raise UsageError(f"{error} There is no folder {name} either.") from error
    for line in lines:
        click.echo(line)
