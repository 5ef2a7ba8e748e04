"""Commands that bring results together and hand them on: merge, publish, verify."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="Folder that receives them; it may hold results already.")
def merge(results: tuple[Path, ...], out: Path) -> None:
    """Bring the records of several folders RESULTS together in one.

    Records of equal inputs must have equal numbers: where they do not, nothing is written.
    """
    from repbench.results.merge import merge as merge_folders

    found = merge_folders(results, out)
    click.echo(
        f"{out}: {found.copied} records copied, {found.equal} there already with equal numbers,"
        f" {found.dropped_failures} failures gave way to a result"
    )


@click.command()
@click.argument("results", nargs=-1, required=True, type=FOLDER)
@click.option("--to", required=True, help="A new folder, git:REPOSITORY[#BRANCH], or hf-dataset:OWNER/NAME.")
def publish(results: tuple[Path, ...], to: str) -> None:
    """Pack records, examples and tables with a manifest of hashes, and bring them to a folder, a git repository or the hub."""
    from repbench.leaderboard.send import send

    click.echo(send(results, to))


@click.command()
@click.argument("pack", type=FOLDER)
def verify(pack: Path) -> None:
    """Recompute every number of a published PACK from its examples, and check every file against the manifest.

    Exit status: 0 all holds, 1 something does not.
    """
    from repbench.leaderboard.pack import verify_pack

    found = verify_pack(pack)
    for line in found.problems:
        click.echo(f"does not hold: {line}", err=True)
    click.echo(
        f"{found.files} files, {found.records} records: {found.recomputed} metrics recomputed from their examples,"
        f" {found.not_recomputable} that examples cannot give; {len(found.problems)} problems"
    )
    raise SystemExit(1 if found.problems else 0)
