"""The command line: parse, call, print. A file for each group of commands; nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys

import click

from repbench import __version__
from repbench.cli import board, catalogue, compare, critic, data, evaluate, probes, published, share, training
from repbench.cli.interrupt import STATUS, WORDS, ends_soon
from repbench.errors import DataError, EncoderError, RepbenchError, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="repbench")
def cli() -> None:
    """The open benchmark of representations: embed once, ask many questions.

    \b
    repbench run timm:resnet50 --out results/          evaluate an encoder on every task that fits it
    repbench run ckpt.pt --arch timm:resnet50 ...      the same for a checkpoint of your own
    repbench leaderboard results/ --out board/         make the leaderboard of all results
    repbench train simclr --data emoji --out FILE      train an encoder of your own with a reference method
    """


COMMANDS = (
    *(evaluate.run, evaluate.audit, evaluate.similarity, probes.audit_probe),
    *(catalogue.list_, catalogue.show, data.data),
    *(training.train, training.watch),
    critic.critic,
    *(board.leaderboard, board.report, compare.compare, compare.diff, compare.gate, compare.groups),
    published.reproduce,
    *(share.merge, share.publish, share.verify),
)
for command in COMMANDS:
    cli.add_command(command)


def program() -> None:
    """Entry point of the program. One that was interrupted ends at once, and waits for no thread."""
    try:
        main()
    except SystemExit as stop:
        if stop.code == STATUS:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(STATUS)
        raise


def main() -> None:
    """The command that `sys.argv` gives: errors about the user's input are printed in words, without a traceback."""
    try:
        with ends_soon():
            cli(standalone_mode=False)
    except RepbenchError as error:
        click.echo(f"repbench: {error}", err=True)
        raise SystemExit(2 if isinstance(error, (UsageError, EncoderError, DataError)) else 1) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(2) from None
    except (KeyboardInterrupt, click.Abort):
        click.echo(WORDS, err=True)
        raise SystemExit(STATUS) from None
