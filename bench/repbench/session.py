"""One run of the command: several encoders, one after the other, on the tasks that are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from repbench.embeddings.options import check_device
from repbench.encoders.load import LoadOptions, check_encoder, load_encoder
from repbench.errors import EncoderError, RepbenchError, UsageError
from repbench.leaderboard.publish import text_table
from repbench.leaderboard.tables import is_unfit, make_board
from repbench.results.record import DONE, Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, Plan, make_plan
from repbench.run.preview import preview_lines
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue, patterns

DONE_ALL, SOME_FAILED, NOTHING_RUN = 0, 1, 2


def run_encoders(
    specs: Sequence[str],
    tasks: str,
    plugins: Sequence[Path],
    settings: Settings,
    load: LoadOptions,
    *,
    stop_rule: str,
    dry_run: bool,
    quiet: bool,
    echo: Callable[..., None],
) -> int:
    """Evaluate each encoder and print the table of this run. Returns the exit status.

    Names, values and files of every encoder are checked before anything is loaded. One that cannot be built all the same (a
    damaged file, weights that cannot be had) does not stop the others; if none can be built, nothing was run.
    """
    wanted = patterns(tasks)
    chosen = [task.with_option("stop_rule", stop_rule) for task in load_catalogue(plugins).select_here(wanted, settings.data)]
    check_device(settings.extract.device)
    _check_specs(specs, load)
    datasets, report = Datasets(settings), Report(quiet=quiet)
    records: list[Record] = []
    failed: list[Record] = []
    lost = 0
    for spec in specs:
        try:
            encoder = load_encoder(spec, load)
        except (EncoderError, UsageError) as error:
            echo(f"repbench: {_about(spec, str(error))}", err=True)
            lost += 1
            continue
        plan = make_plan(encoder, chosen, datasets, settings)
        if dry_run:
            echo("\n".join(preview_lines(plan, settings)))
            continue
        done = execute(plan, settings, report)
        records += done
        failed += _failed(plan, done, wanted)
    if records:
        _summary(records, failed, echo, quiet=quiet)
    if lost == len(specs):
        return NOTHING_RUN
    return SOME_FAILED if failed or lost else DONE_ALL


def _about(spec: str, words: str) -> str:
    """What is wrong with an encoder, with its spec in front unless the words name it."""
    return words if spec.partition(",")[0] in words else f"{spec}: {words}"


def _check_specs(specs: Sequence[str], load: LoadOptions) -> None:
    """Raise UsageError that names every encoder that cannot be meant, before an hour is spent on the first."""
    wrong = [f"the encoder {spec!r} is given twice." for spec in dict.fromkeys(specs) if specs.count(spec) > 1]
    for spec in dict.fromkeys(specs):
        try:
            check_encoder(spec, load)
        except RepbenchError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("\n".join(wrong))


def _failed(plan: Plan, records: Sequence[Record], wanted: Sequence[str]) -> list[Record]:
    """The failed records. A task that the encoder has no tower for counts if it was asked by its full name, or if none fits."""
    unfit = {job.task.name for job in plan.jobs if job.is_unfit}
    forgiven = {name for name in unfit if name not in wanted} if len(unfit) < len(plan.jobs) else set()
    return [record for record in records if record.status != DONE and record.task not in forgiven]


def _summary(records: Sequence[Record], failed: Sequence[Record], echo: Callable[..., None], *, quiet: bool) -> None:
    """The table, and what failed: with its reason where the progress did not tell it already."""
    board = make_board(records)
    if board.done:
        echo(text_table(board))
    for record in failed:
        untold = quiet or is_unfit(record)
        echo(f"failed: {record.encoder} on {record.task}{f': {record.reason}' if untold else ''}", err=True)
