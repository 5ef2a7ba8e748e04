"""A random sample of results, computed again from the start: encoder, data, embeddings and solve, in a store of its own."""

from __future__ import annotations

import random
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from repbench.embeddings.options import ExtractOptions
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.spec import parse_spec
from repbench.encoders.variants import load_variants
from repbench.errors import RepbenchError, UsageError
from repbench.results.files import read_records
from repbench.results.record import DONE, Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue

PRINTED = 0.5e-4  # half a unit of the last of the four digits that a run prints


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """One cell that was computed again, and in what it differs from its record; nothing where it holds."""

    encoder: str
    task: str
    problems: tuple[str, ...]


def rerun(results: Path, count: int, seed: int, data: Path | None, plugins: Sequence[Path], load: LoadOptions) -> list[Rerun]:
    """Compute `count` results below a folder again, chosen at random by `seed`. Raises UsageError where there are none.

    What cannot be built or read here is a problem of its cell; it stops no other.
    """
    done = [record for record in read_records(results) if record.status == DONE]
    if not done:
        raise UsageError(f"{results}: there is no result that could be computed again.")
    chosen = random.Random(seed).sample(done, min(count, len(done)))
    found = []
    for record in chosen:
        try:
            problems = _differences(record, _again(record, data, plugins, load))
        except RepbenchError as error:
            problems = [str(error)]
        found.append(Rerun(encoder=record.encoder, task=record.task, problems=tuple(problems)))
    return found


def _again(record: Record, data: Path | None, plugins: Sequence[Path], load: LoadOptions) -> Record:
    inputs = record.inputs
    told = {name: record.options[name] for name in (one.partition("=")[0] for one in inputs.told) if name in record.options}
    (task,) = load_catalogue(plugins).select([record.task])
    encoder = _encoder(record, replace(load, seed=inputs.seed))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            results=Path(folder) / "results",
            store=Path(folder) / "store",
            data=data,
            seed=inputs.seed,
            limit=inputs.limit,
            deviating=inputs.deviating,
            extract=ExtractOptions(precision=inputs.precision, seed=inputs.seed, on_bad_item=inputs.on_bad_item),
        )
        plan = make_plan(encoder, [task.with_options(told)], Datasets(settings), settings)
        return execute(plan, settings, Report(quiet=True))[0]


def _encoder(record: Record, load: LoadOptions) -> Encoder:
    """The encoder of a record: by its name, which is its spec, or by the spec in the record's command that has this name."""
    name, bracket, feature = record.encoder.partition("[")
    spec = name
    for word in shlex.split(str(record.circumstances.get("command", ""))):
        try:
            if parse_spec(word).name == name:
                spec = word
                break
        except RepbenchError:
            continue
    if bracket:
        return load_variants(spec, (feature.rstrip("]"),), load).encoders[0]
    return load_encoder(spec, load)


def _not_asked(record: Record) -> dict[str, str]:
    """The blind rules that were not asked for a record, and why."""
    told = record.diagnostics.get("blind")
    found = told.get("not_asked") if isinstance(told, Mapping) else None
    return {str(rule): str(why) for rule, why in found.items()} if isinstance(found, Mapping) else {}


def _differences(old: Record, new: Record) -> list[str]:
    if new.status != DONE:
        return [new.reason]
    before, after = asdict(old.inputs), asdict(new.inputs)
    inputs = [f"{name} was {before[name]!r} and is {after[name]!r}" for name in before if before[name] != after[name]]
    if inputs:
        return inputs
    if unasked := _not_asked(new).keys() - _not_asked(old).keys():
        return [f"the blind rule {rule!r} cannot be asked here: {_not_asked(new)[rule]}" for rule in sorted(unasked)]
    lost = sorted(set(old.metrics) - set(new.metrics))  # what a later version reports besides is no difference
    return [f"{name} is computed no longer" for name in lost] + [
        f"{name} was {old.metrics[name].value:.6f} and is {new.metrics[name].value:.6f}"
        for name in sorted(set(old.metrics) & set(new.metrics))
        if abs(old.metrics[name].value - new.metrics[name].value) > PRINTED
    ]
