"""One run of the command: several encoders, one after the other, on the tasks that are asked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from repbench.embeddings.extract import Work, extract
from repbench.embeddings.options import check_device
from repbench.embeddings.store import Shelf
from repbench.encoder import Tower
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.spec import parse_spec
from repbench.errors import EncoderError, RepbenchError, UsageError
from repbench.leaderboard.publish import text_table
from repbench.leaderboard.tables import make_board
from repbench.results.record import DONE, Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, Plan, bytes_of, make_plan, modality_of
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue

DONE_ALL, SOME_FAILED, WRONG_USE = 0, 1, 2


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

    Every name is checked before anything is loaded. An encoder that cannot be built does not stop the others.
    """
    wanted = [part.strip() for part in tasks.split(",") if part.strip()]
    chosen = [task.with_option("stop_rule", stop_rule) for task in load_catalogue(plugins).select_here(wanted)]
    check_device(settings.extract.device)
    names = [parse_spec(spec).name for spec in specs]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two encoders have the name {min(repeated)!r}; give one of them another: SPEC,name=OTHER.")
    datasets, report = Datasets(settings), Report(quiet=quiet)
    records: list[Record] = []
    failed: list[Record] = []
    status = DONE_ALL
    for spec in specs:
        try:
            encoder = load_encoder(spec, load)
        except (EncoderError, UsageError) as error:
            echo(f"repbench: {spec}: {error}", err=True)
            status = max(status, WRONG_USE if isinstance(error, UsageError) else SOME_FAILED)
            continue
        plan = make_plan(encoder, chosen, datasets, settings)
        if dry_run:
            echo("\n".join(plan_lines(plan, settings)))
            continue
        done = execute(plan, settings, report)
        records += done
        failed += _failed(plan, done, wanted)
    if records:
        _summary(records, failed, echo)
    return max(status, SOME_FAILED if failed else DONE_ALL)


def _failed(plan: Plan, records: Sequence[Record], wanted: Sequence[str]) -> list[Record]:
    """The failed records. A task that the encoder has no tower for counts if it was asked by its full name, or if none fits."""
    unfit = {job.task.name for job in plan.jobs if job.is_unfit}
    forgiven = {name for name in unfit if name not in wanted} if len(unfit) < len(plan.jobs) else set()
    return [record for record in records if record.status != DONE and record.task not in forgiven]


def _summary(records: Sequence[Record], failed: Sequence[Record], echo: Callable[..., None]) -> None:
    board = make_board(records)
    if board.done:
        echo(text_table(board))
    for record in failed:
        echo(f"failed: {record.encoder} on {record.task}: {record.reason}", err=True)


def plan_lines(plan: Plan, settings: Settings) -> list[str]:
    """The plan in words: jobs, distinct embeddings, what is stored already, bytes, an estimate of the time."""
    shelves = {work.address: Shelf(settings.store, work.address) for job in plan.open_jobs for _, work in job.works}
    wanted, missing = plan.distinct_items(), plan.distinct_items(shelves)
    total, lacking = sum(map(len, wanted.values())), sum(map(len, missing.values()))
    size = sum(bytes_of(work, keys, plan.encoder) for work, keys in missing.items())
    lines = [
        f"{plan.encoder.name} (fingerprint {plan.encoder.fingerprint[:12]})",
        f"  {len(plan.jobs)} tasks: {len(plan.open_jobs)} to do, {sum(job.is_done for job in plan.jobs)} done,"
        f" {sum(job.problem is not None for job in plan.jobs)} not possible",
        f"  {total} distinct embeddings: {total - lacking} stored, {lacking} to compute ({size / 1e6:.1f} MB)"
        f" in {settings.store}",
    ]
    for job in plan.jobs:
        state = "done" if job.is_done else f"not possible: {job.problem}" if job.problem else "to do"
        items = sum(len(missing[work]) for _, work in job.works) if job in plan.open_jobs else 0
        lines.append(f"    {job.task.name:<40} {state}{f', {items} embeddings' if items else ''}")
    if lacking:
        lines.append(f"  estimate: {_estimate(plan, settings, missing)}")
    return lines


def _estimate(plan: Plan, settings: Settings, missing: Mapping[Work, Sequence[str]]) -> str:
    """Seconds for the missing embeddings, from one batch of each modality and view that is embedded and thrown away."""
    rates: dict[tuple[str, str], float] = {}
    seconds = 0.0
    try:
        for job in plan.open_jobs:
            assert job.dataset is not None
            for need, work in job.works:
                kind = (modality_of(need, job.dataset), need.view)
                if missing[work] and kind not in rates:
                    rates[kind] = _seconds_an_item(work, plan.encoder.towers[kind[0]], settings)
                seconds += rates.get(kind, 0.0) * len(missing[work])
    except RepbenchError as error:
        return f"none ({error})"
    return f"about {seconds:.0f} s of embedding on {settings.extract.device}; scoring comes on top"


def _seconds_an_item(work: Work, tower: Tower, settings: Settings) -> float:
    batch = settings.extract.batch_size
    sample = replace(work, keys=work.keys[:batch], places=work.places[:batch])
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        extract(sample, tower, Shelf(Path(folder), work.address), settings.extract)
        return (time.monotonic() - began) / len(sample.keys)
