"""The engine of this machine: one process, one encoder at a time."""

from __future__ import annotations

from collections.abc import Sequence

from repbench.embeddings.decoded import Decoded
from repbench.embeddings.options import check_device
from repbench.run.engines import Wait
from repbench.run.execute import execute_together
from repbench.run.plan import Plan
from repbench.run.recipe import Recipe
from repbench.run.report import Report
from repbench.run.settings import Settings


class LocalEngine:
    """Does the plans at once, so that no more than one encoder is in memory. What one decodes is kept for the next."""

    def __init__(self) -> None:
        self._decoded = Decoded()

    def check(self, settings: Settings) -> None:
        """Raise UsageError if the device cannot be used."""
        check_device(settings.extract.device)

    def begin(self, recipe: Recipe, plans: Sequence[Plan], report: Report) -> Wait:
        """Do all plans; nothing is left to wait for."""
        records = execute_together(plans, recipe.settings, report, self._decoded)
        return lambda: records

    def close(self) -> None:
        """Nothing is left."""
