"""What makes the plans of one encoder, as plain data: another process, on another machine, makes the same plans from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from repbench.datasets.prompt_files import read_prompts
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.variants import Variants, load_variants
from repbench.remote import working_copy
from repbench.run.plan import Datasets, Plan, make_plan
from repbench.run.settings import Settings
from repbench.tasks import Task, load_catalogue


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One spec, the features of it that are asked for, the full names of its tasks, and what the command line said of them."""

    settings: Settings
    spec: str = ""
    tasks: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    prompts: Path | None = None
    plugins: tuple[Path, ...] = ()
    load: LoadOptions = field(default_factory=LoadOptions)
    folder: str = ""  # what relative paths start from
    results_address: str | None = None  # whose working copy the folder of results is
    store_address: str | None = None

    def on_this_machine(self) -> Recipe:
        """The recipe with the working copies that this machine has of the addresses: its cache may lie elsewhere."""
        settings = self.settings
        if self.results_address is not None:
            settings = replace(settings, results=working_copy(self.results_address))
        if self.store_address is not None:
            settings = replace(settings, store=working_copy(self.store_address))
        return replace(self, settings=settings)

    def variants(self) -> Variants:
        """The encoder, or where features are named, the encoder at each that it has. Raises EncoderError or UsageError."""
        if not self.features:
            return Variants(encoders=(load_encoder(self.spec, self.load),), lacking={})
        return load_variants(self.spec, self.features, self.load)

    def plans(self) -> list[Plan]:
        """Everything anew: catalogue, encoder, datasets, plans. Raises what they raise."""
        own = read_prompts(self.prompts) if self.prompts is not None else None
        tasks = load_catalogue(self.plugins).select(self.tasks)
        chosen = [task.with_options(self.options).with_prompts(own) for task in tasks]
        return make_plans(self.variants().encoders, chosen, Datasets(self.settings), self.settings)


def make_plans(encoders: Sequence[Encoder], tasks: Sequence[Task], datasets: Datasets, settings: Settings) -> list[Plan]:
    """One plan for each encoder of a spec."""
    return [make_plan(encoder, tasks, datasets, settings) for encoder in encoders]
