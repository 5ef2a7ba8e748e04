"""The engine of this machine: one process, and as many encoders at a time as are small enough to be held together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repbench.embeddings.decoded import Decoded
from repbench.embeddings.options import check_device
from repbench.results.record import Record
from repbench.run.engines import Wait
from repbench.run.execute import execute_together
from repbench.run.plan import Plan
from repbench.run.recipe import Recipe
from repbench.run.report import Report
from repbench.run.settings import Settings

TOGETHER = 2**30  # bytes of weights that encoders which go over the data in one pass may have together


@dataclass
class _Begun:
    """Plans that wait for others, or whose records are there; then they are let go, and with them their encoders."""

    plans: Sequence[Plan]
    weights: int
    records: list[list[Record]] | None = None


class LocalEngine:
    """Holds plans until somebody waits for one or their encoders are too large to be held together, then does all at once.

    So encoders share one pass over the data (`Extractor`). What one pass decodes is kept for the next.
    """

    def __init__(self) -> None:
        self._decoded = Decoded()
        self._held: list[_Begun] = []

    def check(self, settings: Settings) -> None:
        """Raise UsageError if the device cannot be used."""
        check_device(settings.extract.device)

    def begin(self, recipe: Recipe, plans: Sequence[Plan], report: Report) -> Wait:
        """Hold the plans, after doing those that are held if there would be too many; who waits has all that are held done."""
        mine = _Begun(plans, _weights(plans))
        if sum(one.weights for one in (*self._held, mine)) > TOGETHER:
            self._do(recipe.settings, report)
        self._held.append(mine)

        def wait() -> list[list[Record]]:
            if mine.records is None:
                self._do(recipe.settings, report)
            assert mine.records is not None
            return mine.records

        return wait

    def close(self) -> None:
        """Leave what was not waited for."""
        self._held = []

    def _do(self, settings: Settings, report: Report) -> None:
        held, self._held = self._held, []
        found = iter(execute_together([plan for one in held for plan in one.plans], settings, report, self._decoded))
        for one in held:
            one.records, one.plans = [next(found) for _ in one.plans], ()


def _weights(plans: Sequence[Plan]) -> int:
    """Bytes of the networks of plans. One that does not tell its own, of a foreign runtime, is taken for too large."""
    modules = [tower.module for plan in plans for tower in plan.towers.values()]
    modules += [scorer.module for plan in plans for scorer in plan.encoder.scorers.values()]
    found = {id(weights): weights.nbytes for module in modules for weights in module.parameters()}
    if not found and any(plan.encoder.kind == "encoder" for plan in plans):
        return TOGETHER
    return sum(found.values())
