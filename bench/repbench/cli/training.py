"""Commands that train: train, watch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from repbench.cli.options import PLUGIN


@click.command()
@click.argument("method")
@click.option("--data", required=True, metavar="DATASET", help="Dataset whose split `train` is trained on.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FILE.safetensors to write.")
@click.option("--arch", help="Architecture: small:resnet, small:half-resnet, small:vit, timm:resnet18, ...")
@click.option("--epochs", type=int, help="Passes over the data.")
@click.option("--steps", type=int, help="Steps, in place of epochs.")
@click.option("--batch-size", type=int, help="Items that are compared with each other, over all processes.")
@click.option("--accumulate", type=int, help="Batches whose gradients make one step.")
@click.option("--optimizer", help="An optimizer of timm: adamw, sgd, lars, ...")
@click.option("--lr", type=float, help="Highest learning rate, reached after the warm-up.")
@click.option("--weight-decay", type=float, help="Not applied to biases and norms.")
@click.option("--warmup", type=float, help="Epochs of linear warm-up before the cosine.")
@click.option("--ema", type=float, help="Export an average of the weights with this decay.")
@click.option("--size", type=int, help="Side of the images in pixels.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@click.option("--precision", help="fp32, or bf16 by autocast.")
@click.option("--device", help="cpu, cuda, cuda:1, mps.")
@click.option("--workers", type=int, help="Processes that decode and augment.")
@click.option("--save-every", type=float, help="Seconds between two saved states.")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="An option of the method, e.g. temperature=0.2.")
@click.option("--limit", type=click.IntRange(min=1), help="So many examples, at least one a class (a quick look).")
@click.option("--deviating", is_flag=True, help="Use a copy of the data that is known to differ from the published one.")
@click.option("--data-folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder of your datasets.")
@click.option("--evaluate", metavar="TASKS", help="Score the encoder on these tasks while it trains, e.g. 'knn/*'.")
@click.option("--every", type=int, default=5, show_default=True, help="Epochs between two such scores.")
@click.option("--keep-every", type=int, help="Keep the encoder every so many epochs, as FILE-epoch-N.safetensors.")
@PLUGIN
@click.option("--quiet", is_flag=True, help="No progress.")
def train(
    method: str, data: str, out: Path, options: tuple[str, ...], plugins: tuple[Path, ...], quiet: bool, **settings: Any
) -> None:
    """Train METHOD and write an encoder that `repbench run trained:FILE` evaluates. `repbench list methods` shows them.

    What is not given is the method's default; `repbench show METHOD` tells those, and its options.
    An interrupted run goes on when the same command is given again.
    """
    from repbench.training import parse_options
    from repbench.training import train as train_method

    log = (lambda line: None) if quiet else click.echo
    train_method(method, data, out=out, options=parse_options(options), plugins=plugins, log=log, **settings)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--tasks", required=True, help="Names or patterns, separated by commas.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of board and plot; else FOLDER-board.")
@click.option("--arch", help="Architecture of checkpoints that repbench did not write: timm:resnet50, ...")
@click.option("--interval", default=30.0, show_default=True, help="Seconds between two looks into the folder.")
@click.option("--once", is_flag=True, help="Evaluate what is there and stop.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder that holds your datasets.")
@PLUGIN
def watch(folder: Path, tasks: str, out: Path | None, plugins: tuple[Path, ...], **options: Any) -> None:
    """Evaluate each new checkpoint in FOLDER, whoever trains it; keep a leaderboard and a plot of quality against steps."""
    from repbench.watching import watch as watch_folder

    out = out or folder.resolve().with_name(f"{folder.resolve().name}-board")
    watch_folder(folder, tasks, out=out, plugins=plugins, log=click.echo, **options)
