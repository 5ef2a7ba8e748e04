"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click


class Place(click.Path):
    """A folder, or an address of another file system (s3://bucket/results): then its working copy here."""

    def __init__(self, *, fetch: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=False)
        self._fetch = fetch

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The folder as a path. Raises UsageError for an address that cannot be used or read."""
        from repbench.remote import here, is_address

        return (
            here(value, fetch=self._fetch)
            if isinstance(value, str) and is_address(value)
            else super().convert(value, param, ctx)
        )


RESULTS = Place()
STORE = Place(fetch=False)  # shelves are fetched as they are opened
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

TRUST = (
    click.option(
        "--trust-checkpoint", is_flag=True, help="Unpickle checkpoint files in full: this runs any code that they hold."
    ),
    click.option("--trust-remote-code", is_flag=True, help="Run the Python of an hf: model's repository (its auto_map)."),
)
LOADING = ("arch", "trust_checkpoint", "trust_remote_code")  # options of how encoders are loaded, as LoadOptions names them
EMBEDDING = (  # what every command that embeds understands
    DATA,
    PLUGIN,
    click.option("--arch", help="Architecture of checkpoint files: timm:resnet50, torchvision:resnet50, ..."),
    *TRUST,
    click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps."),
    click.option("--precision", default="fp32", show_default=True, help="fp32, or weights converted to bf16 or fp16."),
    click.option("--batch-size", default=64, show_default=True, help="Items in a forward pass, at most."),
    click.option("--workers", default=0, show_default=True, help="Processes that decode and prepare items; 0: threads."),
    click.option(
        "--item-timeout",
        type=float,
        help="Seconds after which an item that hangs in a worker is a bad item. [default: an error after 600]",
    ),
)


def embedding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the options EMBEDDING, in their order."""
    return reduce(lambda inner, option: option(inner), reversed(EMBEDDING), command)
