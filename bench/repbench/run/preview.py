"""What a run would do: jobs, distinct embeddings, what is stored already, bytes, an estimate of the time. Nothing is kept."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from repbench.embeddings.extract import Work, extract
from repbench.embeddings.store import Shelf
from repbench.encoder import Tower
from repbench.errors import RepbenchError, counted
from repbench.run.plan import Plan, bytes_of, open_shelves
from repbench.run.report import load_lines
from repbench.run.settings import Settings

DONE, NOT_POSSIBLE, TO_DO = "done", "not possible", "to do"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One task of a plan: its state, why it is not possible, and the embeddings that no task before it computes."""

    task: str
    state: str
    reason: str
    embeddings: int


def preview(plan: Plan, settings: Settings) -> list[Expected]:
    """One entry for each job, in order. An embedding that several tasks need is counted at the first of them."""
    missing = missing_items(plan, settings)
    counted: set[Work] = set()
    found = []
    for job in plan.jobs:
        fresh = {work for _, work in job.works if work in missing} - counted if job in plan.open_jobs else set()
        counted |= fresh
        state = DONE if job.is_done else NOT_POSSIBLE if job.problem else TO_DO
        items = sum(len(missing[work]) for work in fresh)
        found.append(Expected(task=job.task.name, state=state, reason=str(job.problem or ""), embeddings=items))
    return found


def missing_items(plan: Plan, settings: Settings) -> dict[Work, list[str]]:
    """The keys that are to be embedded, by the first need that asks for them."""
    return plan.distinct_items(open_shelves([plan], settings))


def preview_lines(plan: Plan, settings: Settings) -> list[str]:
    """The preview in words, with what was loaded of a checkpoint and the time that the embeddings will take."""
    rows, missing = preview(plan, settings), missing_items(plan, settings)
    total, lacking = sum(map(len, plan.distinct_items().values())), sum(map(len, missing.values()))
    size = sum(bytes_of(work, keys, plan) for work, keys in missing.items())
    count = {state: sum(row.state == state for row in rows) for state in (TO_DO, DONE, NOT_POSSIBLE)}
    lines = [
        f"{plan.encoder.name} (fingerprint {plan.encoder.fingerprint[:12]})",
        *load_lines(plan.encoder.load_report),
        f"  {counted(len(rows), 'task')}: {', '.join(f'{number} {state}' for state, number in count.items())}",
        f"  {total} distinct embeddings: {total - lacking} stored, {lacking} to compute ({size / 1e6:.1f} MB)"
        f" in {settings.store}",
    ]
    if pairs := sum(map(len, plan.distinct_pairs().values())):
        to_do = sum(map(len, plan.distinct_pairs(open_shelves([plan], settings)).values()))
        lines.append(f"  {pairs} distinct pairs of an image and a text: {pairs - to_do} stored, {to_do} to judge")
    for row in rows:
        more = f": {row.reason}" if row.reason else f", {row.embeddings} embeddings" if row.embeddings else ""
        lines.append(f"    {row.task:<40} {row.state}{more}")
    if lacking:
        lines.append(f"  estimate: {_estimate(plan, settings, missing)}")
    return lines


def _estimate(plan: Plan, settings: Settings, missing: Mapping[Work, Sequence[str]]) -> str:
    """Seconds for the missing embeddings, from one batch of each modality and view that is embedded and thrown away."""
    rates: dict[tuple[str, str], float] = {}  # by tower and view
    seconds = 0.0
    counted: set[Work] = set()
    try:
        for job in plan.open_jobs:
            for need, work in job.works:
                kind = (work.address.tower, need.view)
                if not missing[work] or work in counted:
                    continue
                if kind not in rates:
                    rates[kind] = _seconds_an_item(work, plan.towers[kind[0]], settings)
                seconds += rates[kind] * len(missing[work])
                counted.add(work)
    except RepbenchError as error:
        return f"none ({error})"
    return f"about {seconds:.0f} s of embedding on {settings.extract.device}; scoring comes on top"


def _seconds_an_item(work: Work, tower: Tower, settings: Settings) -> float:
    """Seconds for one item, in a batch that is run a second time: the first forward of a network is slower than all others."""
    batch = settings.extract.batch_size
    sample = replace(work, keys=work.keys[:batch], places=work.places[:batch])
    taken = 0.0
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            extract(sample, tower, Shelf(Path(folder), work.address), settings.extract)
            taken = time.monotonic() - began
    return taken / len(sample.keys)
