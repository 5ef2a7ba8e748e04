"""One run of the command: several encoders, one after the other, on the tasks that are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repbench.datasets.prompt_files import read_prompts
from repbench.embeddings.options import check_device
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, check_encoder, load_encoder
from repbench.encoders.variants import load_variants
from repbench.errors import EncoderError, RepbenchError, UsageError
from repbench.leaderboard.features import features_lines, features_table, write_features
from repbench.leaderboard.publish import text_table
from repbench.leaderboard.tables import is_unfit, make_board
from repbench.results.record import DONE, Record
from repbench.run.execute import execute_together
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
    options: Mapping[str, Any],
    prompts: Path | None = None,
    dry_run: bool,
    quiet: bool,
    features: Sequence[str] = (),
    echo: Callable[..., None],
) -> int:
    """Evaluate each encoder and print the table of this run. Returns the exit status.

    Names, values and files of every encoder are checked before anything is loaded. One that cannot be built all the same (a
    damaged file, weights that cannot be had) does not stop the others; if none can be built, nothing was run.
    `options` are set on every task whose protocol has them; None leaves what is declared.
    """
    wanted = patterns(tasks)
    own = read_prompts(prompts) if prompts is not None else None
    chosen = [
        task.with_options(options).with_prompts(own) for task in load_catalogue(plugins).select_here(wanted, settings.data)
    ]
    check_device(settings.extract.device)
    _check_specs(specs, load)
    datasets, report = Datasets(settings), Report(quiet=quiet)
    records: list[Record] = []
    failed: list[Record] = []
    lost = 0
    for spec in specs:
        try:
            encoders = _load(spec, features, load, echo)
        except (EncoderError, UsageError) as error:
            echo(f"repbench: {_about(spec, str(error))}", err=True)
            lost += 1
            continue
        plans = [make_plan(encoder, chosen, datasets, settings) for encoder in encoders]
        if dry_run:
            echo("\n".join(line for plan in plans for line in preview_lines(plan, settings)))
            continue
        for plan, done in zip(plans, execute_together(plans, settings, report), strict=True):
            records += done
            failed += _failed(plan, done, wanted)
    if records:
        _summary(records, failed, echo, quiet=quiet)
        if features:
            _choices(records, settings, echo)
    if lost == len(specs):
        return NOTHING_RUN
    return SOME_FAILED if failed or lost else DONE_ALL


def _load(spec: str, features: Sequence[str], load: LoadOptions, echo: Callable[..., None]) -> tuple[Encoder, ...]:
    """The encoder of a spec, or where features are named, the encoder at each that it has; what it lacks is told."""
    if not features:
        return (load_encoder(spec, load),)
    found = load_variants(spec, features, load)
    for feature, reason in found.lacking.items():
        echo(f"repbench: {spec} has no row [{feature}]: {reason}", err=True)
    return found.encoders


def _choices(records: Sequence[Record], settings: Settings, echo: Callable[..., None]) -> None:
    """Which feature is best, task by task, printed and written beside the records."""
    table = features_table(records)
    if len(table):
        echo("\n".join(["", *features_lines(table), f"wrote {write_features(table, settings.results)}"]))


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
