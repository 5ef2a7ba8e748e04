"""What a question of the reference runs is: methods beside their twins, what both are asked, and which seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SMALL, FULL = "small", "full"
SEED = "{seed}"  # in the name of a dataset: each seed has a fold of its own


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """An encoder of a table: a method trained on `dataset` (of that seed), or a `spec` that is not trained here.

    `settings` and `options` of the training run hold for the small schedule, `always` are options of both. Rows are told
    apart by identity: a twin of several methods is trained once. A row of one `space` of an encoder with several ends in its
    name, and shares the training run with the others.
    """

    label: str
    method: str = ""
    dataset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    spec: str = ""
    space: str = ""

    def name(self, seed: int) -> str:
        """The name of its records."""
        return self.spec or _named(self.label, self.dataset, seed)

    def run(self, seed: int) -> str:
        """The name of the training run, and so of its files."""
        return _named(self.label.removesuffix(f"-{self.space}"), self.dataset, seed)

    @property
    def is_trained(self) -> bool:
        """Whether it takes any step: no twin, and no spec."""
        return not self.spec and self.settings.get("epochs") != 0

    def call(self, scale: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Settings and options of the training run at a scale; an untrained twin stays untrained at any."""
        if scale == FULL:
            kept = {key: value for key, value in self.settings.items() if key == "epochs" and value == 0}
            return kept, dict(self.always)
        return dict(self.settings), {**self.options, **self.always}

    def untrained(self, label: str) -> Row:
        """Its random twin: the same networks after no step."""
        kept = {key: value for key, value in self.settings.items() if key in ("arch", "size")}
        return replace(self, label=label, settings={**kept, "epochs": 0})


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A task, one of its `part`s in place of its primary metric, and the task that the twin answers where it is another.

    With `of` it is compared for the methods of these labels alone."""

    task: str
    part: str = ""
    twin_task: str = ""
    of: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As the table names it."""
        beside = f" against {self.twin_task}" if self.twin_task else ""
        return f"{self.task.removesuffix(f'-{SEED}')}{f', {self.part}' if self.part else ''}{beside}"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A heading of the page: pairs (method, twin), what both are asked, and sentences before and after the table.

    `limit` is the number of examples of each split that are used; its data lie in `folder` of the user's data, `made`
    writes them below another one, perhaps from those, and returns it, and `plugins` are folders that declare them. With
    `folds` each seed is asked about examples of its own. Seeds before `first` are left out: with those the schedule was
    chosen. Of the rows `beside` each other the values of all measures are shown, without a test.
    """

    key: str
    title: str
    pairs: tuple[tuple[Row, Row], ...]
    measures: tuple[Measure, ...]
    before: str
    after: str = ""
    limit: int | None = None
    folder: str = ""
    made: Callable[[Path, Path | None], Path] | None = None
    plugins: tuple[Path, ...] = ()
    first: int = 0
    beside: tuple[Row, ...] = ()

    @property
    def folds(self) -> bool:
        """Whether each seed is asked about examples of its own."""
        return any(SEED in measure.task for measure in self.measures)


def _named(label: str, dataset: str, seed: int) -> str:
    return f"{label}-{of_seed(dataset if SEED in dataset else f'{dataset}-{SEED}', seed)}"


def of_seed(name: str, seed: int) -> str:
    """The name of a dataset or task for a seed."""
    return name.replace(SEED, str(seed))
