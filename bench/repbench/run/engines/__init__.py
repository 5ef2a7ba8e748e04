"""Engines: where the steps of a plan are done. The plan decides what; an engine may change no byte of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from repbench.errors import UsageError
from repbench.results.record import Record
from repbench.run.plan import Plan
from repbench.run.recipe import Recipe
from repbench.run.report import Report
from repbench.run.settings import Settings

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)


Wait = Callable[[], list[list[Record]]]


class Engine(Protocol):
    """Does plans, for one encoder after another."""

    def check(self, settings: Settings) -> None:
        """Raise UsageError for settings that this engine cannot serve."""

    def begin(self, recipe: Recipe, plans: Sequence[Plan], report: Report) -> Wait:
        """Do the plans that a recipe made, or begin to. What is returned waits for their records, in the order of the jobs."""

    def close(self) -> None:
        """End what was begun and not waited for; work that is finished stays."""


def make_engine(name: str, address: str | None) -> Engine:
    """The engine of that name. Raises UsageError for one that is unknown, cannot be had, or has no use for an address."""
    if name not in ENGINES:
        raise UsageError(f"--engine is {name!r}; expected one of {', '.join(ENGINES)}.")
    if name == RAY:
        from repbench.run.engines.ray import RayEngine

        return RayEngine(address)
    if address is not None:
        raise UsageError(f"--address {address} names a Ray cluster; it needs --engine ray.")
    from repbench.run.engines.local import LocalEngine

    return LocalEngine()
