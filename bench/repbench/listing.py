"""Lines for people: what tasks, datasets and encoders there are, and all facts of one of them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.deviations import UNKNOWN
from repbench.datasets.fetch.places import command_for, fetch_command, is_here, looked_for, place_of
from repbench.datasets.probe import RULES, Probe
from repbench.embeddings.needs import GRAMMAR, SHIPPED, TYPICAL
from repbench.errors import UnknownNameError
from repbench.tasks import Catalogue, Task, load_catalogue

if TYPE_CHECKING:
    from repbench.datasets.table import Absent

ANY = "(of a size that is not declared: a copy of any size is read)"


def list_lines(what: str, plugins: Sequence[Path] = (), data: Path | None = None) -> Iterator[str]:
    """One line each for "tasks", "datasets", "encoders", "methods" or "published" (tables of papers).

    `data` is the folder of the user's datasets, in which absent ones are looked for.
    """
    if what == "methods":
        yield from _method_lines()
        return
    if what == "published":
        yield from _published_lines()
        return
    if what == "encoders":
        yield from _encoder_lines()
        return
    catalogue = load_catalogue(plugins)
    if what == "datasets":
        shown = sorted(catalogue.datasets.values(), key=lambda one: (one.family, one.name))
        name, family = (max(len(getattr(one, column)) for one in shown) for column in ("name", "family"))
        for one in shown:
            yield f"{one.name:<{name}}  {one.family:<{family}}  {one.title}: {_kinds(one)}; {_sizes(one)}"
    else:
        name = max(map(len, catalogue.tasks))
        found = cache(lambda name: looked_for(catalogue.datasets[name], data))
        absence = cache(lambda name, splits: _absence(catalogue.datasets[name], data, splits, found(name)))
        for task in catalogue.tasks.values():
            told = absence(task.dataset.name, task.splits)
            notes = ["costly: name it, '*' leaves it out"] * task.costly + [told] * bool(told)
            note = f"  ({'; '.join(notes)})" if notes else ""
            yield f"{task.name:<{name}}  {task.dataset.title}{note}"


def _absence(dataset: DatasetDeclaration, data: Path | None, splits: Sequence[str], found: Mapping[str, Path | Absent]) -> str:
    """How to have a dataset of which these splits are not on this machine; "" where they are."""
    if is_here(dataset, data, splits, found):
        return ""
    command = command_for(dataset)
    return f"not here: {command}" if command else f"not here: `repbench show {dataset.name}` says what to bring"


def _kinds(dataset: DatasetDeclaration) -> str:
    if dataset.probe is not None:
        return dataset.probe.rule
    return "captions" if _has_captions_alone(dataset) else f"{dataset.class_count} classes"


def _has_captions_alone(dataset: DatasetDeclaration) -> bool:
    """Whether captions are all that can be asked of its images: its one class says nothing."""
    return dataset.class_count == 1 and (dataset.captions is not None or "text" in dataset.columns.values())


def _captions_of(dataset: DatasetDeclaration) -> str:
    if dataset.captions is None:
        return f"one of an image, in the column {next(name for name, kind in dataset.columns.items() if kind == 'text')!r}"
    most = f"the first {dataset.captions.most}" if dataset.captions.most else "all"
    return f"{most} of an image, from its column {dataset.captions.column!r}"


def _help_of(folder: str) -> Iterator[tuple[str, str]]:
    """The name of each module in a folder of the package, and its constant HELP, read without importing it."""
    for path in sorted((Path(__file__).parent / folder).glob("[a-z]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "HELP":
                yield path.stem, ast.literal_eval(node.value)


def _method_lines() -> Iterator[str]:
    for name, words in _help_of("trainers/methods"):
        yield f"{name.replace('_', '-'):<24} {words}"


def _training_lines(name: str, words: str) -> Iterator[str]:
    """What a method is, its recommended settings and its own options, as `repbench train` takes them."""
    from repbench.trainers.method import find_method

    found = find_method(name)
    yield f"{name}: {words}"
    settings = [f"--{key.replace('_', '-')} {value}" for key, value in asdict(found.defaults).items()]
    yield f"  settings  {'  '.join(settings)}"
    own = [f"--set {one.name}={one.default}" if one.default != "" else f"--set {one.name}=..." for one in fields(found.options)]
    yield f"  options   {'  '.join(own) or 'none'}"
    yield from (f"            {line.strip()}" for line in (found.options.__doc__ or "").strip().splitlines())


def _published_lines() -> Iterator[str]:
    from repbench.leaderboard.published import all_tables

    for name, rows in all_tables().items():
        systems, datasets = len({row.system for row in rows}), len({row.dataset for row in rows})
        about = f"{len(rows)} figures: {systems} systems, {datasets} dataset{'s' * (datasets > 1)}"
        yield f"{name:<16} {rows[0].source}, {rows[0].table} ({about})"


def _encoder_lines() -> Iterator[str]:
    for _, text in _help_of("encoders/sources"):
        form, _, words = text.partition("   ")
        yield f"{form}\n    {words.strip()}"
    yield "Every form takes name=ROW, the name of its row on the leaderboard."


def show_lines(name: str, plugins: Sequence[Path] = ()) -> Iterator[str]:
    """All facts of a task, a dataset, a pack or a training method. Raises UnknownNameError."""
    catalogue = load_catalogue(plugins)
    if name in catalogue.tasks:
        yield from _task_lines(catalogue.tasks[name])
    elif name in catalogue.datasets:
        yield from _dataset_lines(catalogue.datasets[name], catalogue)
    elif packed := [one.name for one in catalogue.datasets.values() if one.sources.get("pack", {}).get("name") == name]:
        yield f"{name}: a pack, of which these datasets are made: {', '.join(packed)}"
        yield from _pack_lines(name)
    elif name in (methods := {found.replace("_", "-"): words for found, words in _help_of("trainers/methods")}):
        yield from _training_lines(name, methods[name])
    else:
        raise UnknownNameError("task, dataset or method", name, [*catalogue.tasks, *catalogue.datasets, *methods])


def _task_lines(task: Task) -> Iterator[str]:
    yield f"{task.name}  (protocol version {task.protocol.version}, digest {task.digest[:12]})"
    words = (sys.modules[type(task.protocol).__module__].__doc__ or "").strip().splitlines()
    if words:
        yield f"  asks      {words[0]}"
    yield f"  options   {_inline(task.options) or 'none'}"
    for need in task.needs:
        purpose = "to fit and choose" if need.tuning else "to report"
        yield f"  needs     {need.words}, {purpose}"
    yield from _dataset_lines(task.dataset, None)


def _dataset_lines(dataset: DatasetDeclaration, catalogue: Catalogue | None) -> Iterator[str]:
    yield f"{dataset.name}: {dataset.title}"
    yield f"  family    {dataset.family}   declared in {dataset.path}"
    if dataset.probe is not None:
        yield f"  rule      {dataset.probe.rule}: {RULES[dataset.probe.rule].words}"
        yield from _blind_lines(dataset, dataset.probe)
    elif _has_captions_alone(dataset):
        yield f"  captions  {_captions_of(dataset)}; it has no classes"
    else:
        yield f"  classes   {dataset.class_count}   metric {dataset.metric}   label column {dataset.label}"
    yield f"  splits    {_sizes(dataset)}"
    if dataset.validation is not None:
        size = f"{dataset.validation.per_class} a class" if dataset.validation.per_class else f"{dataset.validation.share:.0%}"
        yield f"  carved    val: {size} of train, by class, seed {dataset.validation.seed}"
    for source, options in dataset.sources.items():
        yield f"  source    {source}: {_inline(options) or 'as it is laid out by default'}"
        if source in ("pack", "composed"):
            yield from _pack_lines(str(options["name"]))
    if dataset.prompts is not None:
        yield f"  prompts   {len(dataset.prompts.templates)} templates: {' | '.join(dataset.prompts.templates[:3])}"
    for key, value in asdict(dataset.about).items():
        if value:
            yield f"  {key:<9} {value}"
    if catalogue is not None:
        tasks = [task.name for task in catalogue.tasks.values() if task.dataset.name == dataset.name]
        none = "none: it is there to train on" if "train" in dataset.splits else "none"
        yield f"  tasks     {', '.join(tasks) or none}"


def _blind_lines(dataset: DatasetDeclaration, probe: Probe) -> Iterator[str]:
    """The rules that see captions only and stand beside each score on a probe; none where there is one caption."""
    if len(probe.captions_of(dataset.columns)) < 2:
        return
    fitted = f"of {probe.tuning}" if probe.tuning else "of other folds of test"
    ships = (SHIPPED / f"{dataset.name}.parquet").is_file()
    where = "the scores ship" if ships else "where repbench[pretrained] is installed"
    parser = "the scores ship" if ships else "where link-parser is installed"
    yield "  blind     rules that see captions alone, beside each score: fewest and most characters, fewest and most words"
    yield f"            bag of words, bigram and trigram model, of the text and a word of it, fitted on true captions {fitted}"
    yield f"            {TYPICAL}: mean cosine with the true captions of other clusters ({where})"
    yield f"            {GRAMMAR}: what the parser leaves over ({parser})"
    own = "typical for the encoder's own text tower (compositional), " if probe.tuning else ""
    yield f"            {own}the captioner's own log p(text) (compositional-lm)"


def _pack_lines(name: str) -> Iterator[str]:
    from repbench.datasets.sources.pack import pack_about

    if not place_of(name).is_file():
        yield f"    absent  {fetch_command(name)}"
        return
    about = pack_about(name)
    for source in about.get("sources", []):
        yield f"    from    {source['package']}, {source['licence']}, {source['authors']}"
    if about.get("derivation"):
        yield f"    made    {about['derivation']}"


def _sizes(dataset: DatasetDeclaration) -> str:
    return ", ".join(f"{split} {size if size != UNKNOWN else ANY}" for split, size in dataset.splits.items())


def _inline(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items())
