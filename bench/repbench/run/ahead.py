"""Embedding ahead of the tasks: a part of what they need goes to the store, and whoever scores them finds it there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from repbench.embeddings.extract import WHOLE, Extractor, Share
from repbench.embeddings.store import Shelf
from repbench.errors import RepbenchError
from repbench.run.plan import Plan
from repbench.run.settings import Settings


def embed_ahead(
    plans: Sequence[Plan], settings: Settings, share: Share = WHOLE, progress: Callable[[int], None] = lambda count: None
) -> None:
    """Embed a share of the chunks that the open jobs need and nobody computes now.

    What goes wrong here goes wrong for the task that needs it too, which says so in its record.
    """
    works = list(dict.fromkeys(work for plan in plans for job in plan.open_jobs for _, work in job.works))
    towers = [tower for plan in plans for tower in plan.towers.values()]
    shelves = {work.address: Shelf(settings.store, work.address) for work in works}
    extractor = Extractor(works, towers, shelves, settings.extract, progress)
    for work in works:
        with contextlib.suppress(RepbenchError):
            extractor.fill(work, share, ahead=True)


def on_datasets(plans: Sequence[Plan], names: set[str]) -> list[Plan]:
    """The plans with the jobs on these datasets alone."""
    return [replace(plan, jobs=tuple(job for job in plan.jobs if job.task.dataset.name in names)) for plan in plans]
