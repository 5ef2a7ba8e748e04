"""A command that sets a trained contrastive critic against a density ratio that is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from repbench.errors import UsageError

SIZES = (16, 64, 256)


@click.command()
@click.argument("function", metavar="FILE.py:FUNCTION")
@click.option("--dimensions", default=20, show_default=True, type=click.IntRange(min=1), help="Of x and of y.")
@click.option("--information", default=4.0, show_default=True, type=float, help="True mutual information, in nats.")
@click.option("--pairs", "sizes", default="16,64,256", show_default=True, help="Sizes N of the test blocks.")
@click.option("--blocks", default=40, show_default=True, type=click.IntRange(min=2), help="Test blocks of each size.")
@click.option("--seed", default=0, show_default=True, help="Of training pairs and of test pairs, which are others.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def critic(function: str, dimensions: int, information: float, sizes: str, blocks: int, seed: int, as_json: bool) -> None:
    """Train a critic on correlated Gaussians and compare its bound and its scores with the truth.

    FUNCTION(draw, dimensions) trains: draw(n) gives n fresh pairs x, y, float32 (n, dimensions). It returns the critic: a
    function of x (n, dimensions) and y (n, dimensions) that gives scores (n, n). See examples/my_critic.py.
    """
    from repbench.critic import CriticTest, lines, run_critic

    try:
        numbers = tuple(int(part) for part in sizes.split(","))
    except ValueError:
        raise UsageError(f"--pairs {sizes!r}: write sizes of 2 or more, separated by commas: 16,64,256.") from None
    test = CriticTest(dimensions=dimensions, information=information, sizes=numbers, blocks=blocks, seed=seed)
    place, colon, name = function.rpartition(":")
    if not colon or not place.endswith(".py"):
        raise UsageError(f"{function!r}: write FILE.py:FUNCTION.")
    verdicts = run_critic(Path(place), name, test)
    if as_json:
        import json

        click.echo(json.dumps([asdict(one) for one in verdicts], indent=1))
    else:
        click.echo("\n".join(lines(verdicts, test)))
