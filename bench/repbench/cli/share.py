"""Commands that bring results together and hand them on: merge, publish, verify."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from repbench.cli.options import DATA, PLUGIN, RESULTS, TRUST


@click.command()
@click.argument("results", nargs=-1, required=True, type=RESULTS)
@click.option("--out", type=RESULTS, required=True, help="Folder that receives them; it may hold results already.")
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
@click.argument("results", nargs=-1, required=True, type=RESULTS)
@click.option("--to", required=True, help="A new folder, git:REPOSITORY[#BRANCH], or hf-dataset:OWNER/NAME.")
def publish(results: tuple[Path, ...], to: str) -> None:
    """Pack records, examples and tables with a manifest of hashes, and bring them to a folder, a git repository or the hub."""
    from repbench.leaderboard.send import send

    click.echo(send(results, to))


@click.command()
@click.argument("pack", type=RESULTS)
@click.option("--rerun", type=click.IntRange(min=1), metavar="N", help="Compute N results, chosen at random, from the start.")
@click.option("--seed", default=0, show_default=True, help="Of the choice.")
@DATA
@PLUGIN
@click.option("--arch", help="Architecture of checkpoint files, as in `run`.")
@TRUST[0]
@TRUST[1]
def verify(
    pack: Path,
    rerun: int | None,
    seed: int,
    data: Path | None,
    plugins: tuple[Path, ...],
    **loading: Any,
) -> None:
    """Recompute every number of a published PACK from its examples, and check every file against the manifest.

    With --rerun a sample is computed from the start too: encoder, data, embeddings, solve. PACK may be a folder of results
    then. Exit status: 0 all holds, 1 something does not.
    """
    from repbench.leaderboard.pack import MANIFEST, RECORDS, verify_pack

    bad = 0
    is_pack = (pack / MANIFEST).is_file()
    if is_pack or rerun is None:
        found = verify_pack(pack)
        for line in found.problems:
            click.echo(f"does not hold: {line}", err=True)
        click.echo(
            f"{found.files} files, {found.records} records: {found.recomputed} metrics recomputed from their examples,"
            f" {found.not_recomputable} that examples cannot give; {len(found.problems)} problems"
        )
        bad += len(found.problems)
    if rerun is not None:
        bad += _rerun(pack / RECORDS if is_pack else pack, rerun, seed, data, plugins, loading)
    raise SystemExit(1 if bad else 0)


def _rerun(
    results: Path, count: int, seed: int, data: Path | None, plugins: tuple[Path, ...], loading: Mapping[str, Any]
) -> int:
    """Compute a sample again and print what came of each; how many do not hold."""
    from repbench.encoders.load import LoadOptions
    from repbench.rerun import rerun

    cells = rerun(results, count, seed, data, plugins, LoadOptions(**loading))
    for cell in cells:
        held = "; ".join(cell.problems) or "the same to the printed digits"
        click.echo(f"{cell.encoder} on {cell.task}: {held}")
    bad = sum(bool(cell.problems) for cell in cells)
    click.echo(f"{len(cells)} results computed from the start: {len(cells) - bad} hold, {bad} do not")
    return bad
