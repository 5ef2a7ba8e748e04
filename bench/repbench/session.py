"""One run of the command: several encoders, as many together as an engine likes, on the tasks that are asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from repbench.datasets.fetch.places import how_to_get
from repbench.datasets.prompt_files import read_prompts
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, check_encoder
from repbench.errors import EncoderError, RepbenchError, UsageError, counted
from repbench.leaderboard.features import features_lines, features_table, write_features
from repbench.leaderboard.tables import is_unfit, make_board
from repbench.leaderboard.terminal import board_text, terminal_width
from repbench.remote import address_of
from repbench.results.record import DONE, Record
from repbench.run.ahead import embed_ahead
from repbench.run.engines import Engine, Wait
from repbench.run.engines.local import LocalEngine
from repbench.run.plan import Datasets, Plan
from repbench.run.preview import preview_lines
from repbench.run.recipe import Recipe, make_plans
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.run.shards import WHOLE_RUN, Part, Shard, parts_of
from repbench.tasks import Task, load_catalogue, patterns

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
    shard: Shard = WHOLE_RUN,
    engine: Engine | None = None,
    echo: Callable[..., None],
) -> int:
    """Evaluate each encoder and print the table of this run. Returns the exit status.

    Names, values and files of every encoder are checked before anything is loaded. One that cannot be built all the same (a
    damaged file, weights that cannot be had) does not stop the others; if none can be built, nothing was run.
    `options` are set on every task whose protocol has them; None leaves what is declared. A shard does its part alone.
    """
    engine = engine or LocalEngine()
    wanted = patterns(tasks)
    own = read_prompts(prompts) if prompts is not None else None
    catalogue = load_catalogue(plugins)
    here = catalogue.select_here(wanted, settings.data)
    chosen = [task.with_options(options).with_prompts(own) for task in here]
    engine.check(settings)
    _check_specs(specs, load)
    if not quiet:
        _tell_absent([task for task in catalogue.select(wanted) if task not in here], settings.data, dry_run, echo)
    given = _recipe(plugins, settings, load, options, prompts, features)
    parts = parts_of(len(specs), chosen, settings.limit, shard)
    try:
        begun, lost = _begin(parts, specs, given, engine, Report(quiet=quiet, named=shard != WHOLE_RUN), echo, dry_run=dry_run)
        done = [(records, fit) for wait, fits in begun for records, fit in zip(wait(), fits, strict=True)]
    finally:
        engine.close()
    records = [record for group, _ in done for record in group]
    failed = [record for group, fit in done for record in fit.failed(group, wanted, whole=shard == WHOLE_RUN)]
    if records:
        _summary(records, failed, echo, quiet=quiet)
        if features and shard == WHOLE_RUN:
            _choices(records, settings, echo)
    if not parts:
        echo(f"nothing falls to shard {shard.number} of {shard.of}.", err=True)
    if lost and lost == len(parts):
        return NOTHING_RUN
    return SOME_FAILED if failed or lost else DONE_ALL


def _recipe(
    plugins: Sequence[Path],
    settings: Settings,
    load: LoadOptions,
    options: Mapping[str, Any],
    prompts: Path | None,
    features: Sequence[str],
) -> Recipe:
    """What another process needs to make the same plans."""
    return Recipe(
        settings=settings,
        features=tuple(features),
        options=options,
        prompts=prompts,
        plugins=tuple(plugins),
        load=load,
        folder=os.getcwd(),
        results_address=address_of(settings.results),
        store_address=address_of(settings.store),
    )


def _tell_absent(left: Sequence[Task], data: Path | None, dry_run: bool, echo: Callable[..., None]) -> None:
    """What patterns leave out because its data are not here: how many tasks, and in a plan what brings each dataset."""
    absent = [task for task in left if not task.costly]
    datasets = {task.dataset.name: task.dataset for task in absent}
    if not absent:
        return
    counts = f"{counted(len(absent), 'task')} on {counted(len(datasets), 'dataset')}"
    first = f"left out of what matches, for the data are not on this machine: {counts}"
    if not dry_run:
        echo(f"{first} (--dry-run names them)", err=True)
        return
    told = (f"    {name:<24} {how_to_get(one, data) or one.about.note}" for name, one in datasets.items())
    echo("\n".join([f"{first}. To have them, below --data:", *told]))


def _begin(
    parts: Sequence[Part],
    specs: Sequence[str],
    given: Recipe,
    engine: Engine,
    report: Report,
    echo: Callable[..., None],
    *,
    dry_run: bool,
) -> tuple[list[tuple[Wait, list[_Fit]]], int]:
    """Begin the plans of each part, or only print them; and how many encoders could not be built."""
    datasets = Datasets(given.settings)
    begun: list[tuple[Wait, list[_Fit]]] = []
    lost = 0
    for part in parts:
        recipe = replace(given, spec=specs[part.encoder], tasks=tuple(task.name for task in part.own))
        encoders = _load(recipe, echo)
        if not encoders:
            lost += 1
            continue
        plans = make_plans(encoders, part.own, datasets, given.settings)
        if dry_run:
            echo("\n".join(line for plan in plans for line in preview_lines(plan, given.settings)))
            continue
        _help(part, encoders, datasets, given.settings, report)
        begun.append((engine.begin(recipe, plans, report), [_Fit(plan) for plan in plans]))
    return begun, lost


class _Fit:
    """Of a plan, which tasks the encoder has no tower for. The plan itself is let go, and with it the encoder."""

    def __init__(self, plan: Plan) -> None:
        self._unfit = {job.task.name for job in plan.jobs if job.is_unfit}
        self._any = len(self._unfit) < len(plan.jobs)

    def failed(self, records: Sequence[Record], wanted: Sequence[str], *, whole: bool) -> list[Record]:
        """The failed records. One without a tower counts if it was asked by its full name, or if none of a whole run fits."""
        forgiven = {name for name in self._unfit if name not in wanted} if self._any or not whole else set()
        return [record for record in records if record.status != DONE and record.task not in forgiven]


def _help(part: Part, encoders: Sequence[Encoder], datasets: Datasets, settings: Settings, report: Report) -> None:
    """Embed for the tasks of other shards."""
    if part.helps:
        names = dict.fromkeys(task.dataset.name for task in part.helps)
        report.line(f"{encoders[0].name}: helps other shards to embed {', '.join(names)}")
        embed_ahead(make_plans(encoders, part.helps, datasets, settings), settings)


def _load(recipe: Recipe, echo: Callable[..., None]) -> tuple[Encoder, ...]:
    """The encoders of a recipe: one, or one at each feature. What is lacking is told; none where the spec cannot be built."""
    try:
        found = recipe.variants()
    except (EncoderError, UsageError) as error:
        echo(f"repbench: {_about(recipe.spec, str(error))}", err=True)
        return ()
    for feature, reason in found.lacking.items():
        echo(f"repbench: {recipe.spec} has no row [{feature}]: {reason}", err=True)
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


def _summary(records: Sequence[Record], failed: Sequence[Record], echo: Callable[..., None], *, quiet: bool) -> None:
    """The table, and what failed: with its reason where the progress did not tell it already."""
    board = make_board(records)
    if board.done:
        echo(board_text(board, {}, terminal_width()))
    for record in failed:
        untold = quiet or is_unfit(record)
        echo(f"failed: {record.encoder} on {record.task}{f': {record.reason}' if untold else ''}", err=True)
