"""Commands that set encoders against each other, and groups within each: compare, diff, gate, groups."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from repbench.cli.options import RESULTS
from repbench.errors import UsageError

if TYPE_CHECKING:
    from repbench.leaderboard.differences import Difference, Side

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ENCODER = click.option("--encoder", help="The row of the new results. [default: the only encoder there]")
BASELINE_ENCODER = click.option(
    "--baseline-encoder", help="The row of the old results. [default: the same name, or the only one]"
)


@click.command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.argument("results", nargs=-1, required=True, type=RESULTS)
@click.option("--classes", metavar="TASK", help="Compare the classes of one task.")
@AS_JSON
def compare(old: str, new: str, results: tuple[Path, ...], classes: str | None, as_json: bool) -> None:
    """What the encoder B gains over the encoder A, both rows of the board of RESULTS: task by task, or class by class."""
    from repbench.leaderboard.differences import class_differences, differences, side
    from repbench.leaderboard.gather import open_board

    board, read = open_board(results)
    sides = side(board, read, old), side(board, read, new)
    found = class_differences(*sides, classes) if classes else differences(*sides)
    _print(found, old, new, as_json, "class" if classes else "task")


@click.command()
@click.argument("old", type=RESULTS)
@click.argument("new", type=RESULTS)
@ENCODER
@BASELINE_ENCODER
@AS_JSON
def diff(old: Path, new: Path, encoder: str | None, baseline_encoder: str | None, as_json: bool) -> None:
    """What an encoder gained between two folders of results, OLD and NEW, with a test of each difference."""
    from repbench.leaderboard.differences import differences

    before, after = _sides(old, new, encoder, baseline_encoder)
    _print(differences(before, after), *_titles(before, after, old, new), as_json, "task")


@click.command()
@click.argument("results", type=RESULTS)
@click.option("--baseline", type=RESULTS, required=True, help="Folder of the old results.")
@click.option(
    "--max-drop", default=0.0, show_default=True, type=click.FloatRange(min=0), help="A loss of the metric that is forgiven."
)
@click.option("--tasks", default="*", show_default=True, help="Names or patterns of tasks that count.")
@ENCODER
@BASELINE_ENCODER
def gate(results: Path, baseline: Path, max_drop: float, tasks: str, encoder: str | None, baseline_encoder: str | None) -> None:
    """Fail (exit status 1) where an encoder is significantly worse than the baseline by more than --max-drop.

    A task of the baseline that is missing or cannot be compared fails too: a gate that did not look must not open.
    """
    from repbench.leaderboard.differences import differences

    before, after = _sides(baseline, results, encoder, baseline_encoder)
    wanted = [part.strip() for part in tasks.split(",") if part.strip()]
    asked = [one for one in differences(before, after) if any(fnmatch.fnmatch(one.name, pattern) for pattern in wanted)]
    if not asked:
        raise UsageError(f"no task of {baseline} or {results} matches {tasks!r}.")
    _print(asked, *_titles(before, after, baseline, results), False, "task")
    failing = [line for one in asked if (line := _failing(one, max_drop))]
    for line in failing:
        click.echo(f"gate: {line}", err=True)
    looked = f"{len(asked)} task{'' if len(asked) == 1 else 's'}"
    click.echo(f"\nThe gate is shut by {len(failing)} of {looked}." if failing else f"\nThe gate is open: {looked} looked at.")
    raise SystemExit(1 if failing else 0)


def _failing(one: Difference, max_drop: float) -> str:
    """Why a task closes the gate, or an empty text."""
    if one.old is None:
        return ""  # new tasks have no baseline yet
    if one.gain is None and one.note.startswith("describes"):
        return ""
    if one.gain is None:
        return f"{one.name}: {one.note}"
    if one.p is None:
        return f"{one.name}: it fell by {-one.gain:.4f} and {one.note}" if one.gain < -max_drop else ""
    return f"{one.name}: significantly worse by {-one.gain:.4f}" if one.verdict == "worse" and one.gain < -max_drop else ""


def _sides(old: Path, new: Path, encoder: str | None, baseline_encoder: str | None) -> tuple[Side, Side]:
    from repbench.leaderboard.differences import side
    from repbench.leaderboard.gather import open_board

    after = side(*open_board([new]), encoder)
    board, read = open_board([old])
    has = {record.encoder for record in board.done}
    return side(board, read, baseline_encoder or (after.name if after.name in has else None)), after


def _titles(before: Side, after: Side, old: Path, new: Path) -> tuple[str, str]:
    """What the two sides are called: their names, with the folders where both have one name."""
    if before.name != after.name:
        return before.name, after.name
    return f"{before.name} in {old}", f"{after.name} in {new}"


def _print(found: Sequence[Difference], old: str, new: str, as_json: bool, what: str) -> None:
    from repbench.leaderboard.terminal import differences_json, differences_text, terminal_width, wants_colour

    if as_json:
        click.echo(differences_json(found, old, new))
    else:
        click.echo(differences_text(found, old, new, what, terminal_width()), color=wants_colour())


@click.command()
@click.argument("results", nargs=-1, required=True, type=RESULTS)
@click.option("--by", required=True, metavar="COLUMN", help="A factor of the dataset, for example light.")
def groups(results: tuple[Path, ...], by: str) -> None:
    """Worst group, gap and equalised odds of every task, from the stored predictions of RESULTS; no model is loaded."""
    from repbench.leaderboard.gather import open_board
    from repbench.leaderboard.grouped import grouped, grouped_lines

    board, read = open_board(results)
    for line in grouped_lines(grouped(board, read, by), by):
        click.echo(line)
