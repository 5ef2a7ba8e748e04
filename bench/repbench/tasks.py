"""Tasks: a task is a protocol asked of a dataset, with options. The registry is the folder `tasks/`.

`tasks/FAMILY/family.toml` names the protocols that every dataset of the family is put through; every other TOML file there
declares a dataset. A task is named `protocol/dataset`. Plug-ins add to this: a TOML file, a folder of them, or a Python file
that holds a protocol.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from repbench.datasets.declaration import DatasetDeclaration, Prompts, read_declaration
from repbench.datasets.fetch.places import is_here
from repbench.datasets.prompt_files import with_prompts
from repbench.digests import digest_json
from repbench.embeddings.needs import AnyNeed, Need
from repbench.errors import DeclarationError, UnknownNameError, UsageError
from repbench.protocol import Protocol, why_not
from repbench.protocol_files import add_protocol, protocol_class, shipped_protocols
from repbench.strict import build, read_toml

PLUGIN_FAMILY = "plugins"


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the datasets of one folder have in common: a title and the protocols that each is put through, with options."""

    name: str
    title: str
    protocols: Mapping[str, Mapping[str, Any]]
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One protocol asked of one dataset. `told`: options that a run set beside the declared ones, "name=value"."""

    protocol_name: str
    protocol: Protocol
    dataset: DatasetDeclaration
    told: tuple[str, ...] = ()
    own_prompts: Prompts | None = None  # the user's, in place of the declared ones

    @property
    def name(self) -> str:
        """`protocol/dataset`."""
        return f"{self.protocol_name}/{self.dataset.name}"

    @property
    def needs(self) -> tuple[AnyNeed, ...]:
        """The embeddings and pair scores that it asks for, or the network itself."""
        return self.protocol.needs(self.dataset)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it needs, sorted."""
        return tuple(sorted({split for need in self.needs for split in need.splits}))

    @property
    def options(self) -> dict[str, Any]:
        """The options of its protocol."""
        return asdict(cast(Any, self.protocol))

    @property
    def costly(self) -> bool:
        """Whether it takes hours for each encoder, so that it must be meant."""
        return bool(getattr(self.protocol, "costly", False))

    @property
    def joins(self) -> str:
        """The protocol that its own joins in patterns; "" for none."""
        return str(getattr(self.protocol, "joins", ""))

    def with_options(self, options: Mapping[str, Any]) -> Task:
        """This task with those options set that its protocol has and that are not None. Raises UsageError."""
        declared = self.options
        new = {name: value for name, value in options.items() if name in declared and value not in (None, declared[name])}
        if not new:
            return self
        try:
            protocol = dataclasses.replace(cast(Any, self.protocol), **new)
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from error
        return dataclasses.replace(self, protocol=protocol, told=tuple(f"{name}={new[name]}" for name in sorted(new)))

    @property
    def prompt_digest(self) -> str:
        """The beginning of the digest of the prompts that the user gave; "" where they are the declared ones."""
        return digest_json(asdict(self.own_prompts))[:6] if self.own_prompts is not None else ""

    def with_prompts(self, own: Prompts | None) -> Task:
        """This task with the user's prompts, if it asks for prompts. Raises UsageError for classes that it does not have."""
        if own is None or not any("prompts" in need.splits for need in self.needs if isinstance(need, Need)):
            return self
        return dataclasses.replace(self, dataset=with_prompts(self.dataset, own), own_prompts=own)

    @property
    def digest(self) -> str:
        """Digest of all that defines the task: protocol, its version and options, and the facts of the dataset.

        Options that are empty and by default so, or that came later (protocol.LATER) and are as by default, say nothing: a
        protocol that learns another asks the same as before.
        """
        later = [one for one in dataclasses.fields(cast(Any, self.protocol)) if one.default == () or one.metadata.get("later")]
        silent = {one.name: one.default for one in later}
        said = {name: value for name, value in self.options.items() if name not in silent or value != silent[name]}
        return digest_json([self.protocol_name, self.protocol.version, digest_json(said), self.dataset.digest])


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All datasets, families and protocols that are known to this run."""

    datasets: Mapping[str, DatasetDeclaration]
    families: Mapping[str, Family]
    protocols: Mapping[str, Path]  # protocol name -> the Python file that holds it
    refused: dict[str, str] = field(default_factory=dict, compare=False)  # what would be a task -> why it is none
    _classes: dict[str, type] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Every task by name, in order of family, dataset, protocol."""
        found: dict[str, Task] = {}
        for dataset in sorted(self.datasets.values(), key=lambda one: (one.family, one.name)):
            for protocol_name, options in sorted(self.families[dataset.family].protocols.items()):
                protocol = self._protocol(protocol_name, options, dataset.family)
                if reason := why_not(protocol, dataset):
                    self.refused[f"{protocol_name}/{dataset.name}"] = reason
                else:
                    task = Task(protocol_name=protocol_name, protocol=protocol, dataset=dataset)
                    found[task.name] = task
        return found

    def select(self, patterns: Sequence[str]) -> list[Task]:
        """The tasks that match any pattern (`knn/*`), in order. Raises UnknownNameError for one that matches none.

        A pattern for one protocol on several datasets means those too that join it (`compositional/*`: every scorer).
        """
        chosen: dict[str, Task] = {}
        for pattern in patterns:
            names = fnmatch.filter(self.tasks, pattern) or fnmatch.filter(self.tasks, _hyphenated(pattern))
            refused = fnmatch.filter(self.refused, pattern)
            if not names and refused:
                raise UsageError(f"there is no task {refused[0]!r}: {self.refused[refused[0]]}")
            if not names:
                raise UnknownNameError("task", pattern, self.tasks, "`repbench list tasks` shows all.")
            chosen |= {name: self.tasks[name] for name in (*names, *self._joining(pattern))}
        return [task for name, task in self.tasks.items() if name in chosen]

    def _joining(self, pattern: str) -> list[str]:
        """The tasks of protocols that join the one of a pattern, on the datasets that it matches; none for a full name."""
        protocol, _, datasets = _hyphenated(pattern).partition("/")
        joining = [task for task in self.tasks.values() if task.joins == protocol]
        return [task.name for task in joining if datasets != task.dataset.name and fnmatch.fnmatch(task.dataset.name, datasets)]

    def select_here(self, patterns: Sequence[str], data: Path | None = None) -> list[Task]:
        """As `select`, but a pattern leaves out costly tasks and those whose data have yet to be fetched, if it matches others.

        A pattern that matches only such tasks means them: `fine-tune/*`, or a name; that data are not here should be told.
        """
        here_is = cache(lambda name, splits: is_here(self.datasets[name], data, splits))
        chosen: dict[str, Task] = {}
        for pattern in patterns:
            found = self.select([pattern])
            found = [task for task in found if not task.costly] or found
            here = [task for task in found if here_is(task.dataset.name, task.splits)]
            chosen |= {task.name: task for task in here or found}
        return [task for name, task in self.tasks.items() if name in chosen]

    def dataset(self, name: str) -> DatasetDeclaration:
        """The declaration of a dataset. Raises UnknownNameError."""
        if name not in self.datasets:
            raise UnknownNameError("dataset", name, self.datasets, "`repbench list datasets` shows all.")
        return self.datasets[name]

    def _protocol(self, name: str, options: Mapping[str, Any], family: str) -> Protocol:
        if name not in self.protocols:
            raise UnknownNameError("protocol", name, self.protocols, f"(in the family {family!r})")
        if name not in self._classes:
            self._classes[name] = protocol_class(self.protocols[name])
        return cast(Protocol, build(self._classes[name], options, f"family {family}: protocols.{name}"))


def load_catalogue(plugins: Sequence[Path] = ()) -> Catalogue:
    """What ships with repbench, what installed packages add, and what `--plugin` names.

    Raises DeclarationError for a bad file and for a name that is taken twice (it names both files).
    """
    datasets: dict[str, DatasetDeclaration] = {}
    families: dict[str, Family] = {}
    protocols = {path.stem.replace("_", "-"): path for path in shipped_protocols()}
    for folder in sorted(path for path in tasks_folder().iterdir() if path.is_dir()):
        _add_folder(folder, datasets, families)
    extra = [*_installed_plugins(), *plugins]
    added = [path for path in extra if path.suffix == ".py"]
    for path in added:
        add_protocol(path, protocols)
    defaults: dict[str, dict[str, Any]] = {name: {} for name in protocols}
    families[PLUGIN_FAMILY] = Family(name=PLUGIN_FAMILY, title="Your own datasets", protocols=defaults)
    for path in extra:
        if path.is_dir():
            _add_folder(path, datasets, families)
        elif path.suffix == ".toml":
            _add_dataset(read_declaration(path, PLUGIN_FAMILY), datasets)
        elif path.suffix != ".py":
            raise UsageError(f"--plugin {path}: expected a .toml file, a folder of them, or a .py file that exists.")
    for name in (path.stem.replace("_", "-") for path in added):  # a new protocol is asked of every dataset that it fits
        families = {
            key: dataclasses.replace(family, protocols={name: {}, **family.protocols}) for key, family in families.items()
        }
    return Catalogue(datasets=datasets, families=families, protocols=protocols)


def patterns(tasks: str | Sequence[str]) -> list[str]:
    """Task patterns from a list, or from a text that separates them by commas. Raises UsageError when there is none."""
    found = [part.strip() for part in (tasks.split(",") if isinstance(tasks, str) else tasks) if part.strip()]
    if not found:
        raise UsageError("no task is named; write names or patterns: 'knn/*,linear-probe/digits', or '*' for all.")
    return found


def tasks_folder() -> Path:
    """The folder of task files: inside the installed package, or at the top of a checkout."""
    package = Path(str(files("repbench")))
    shipped = package / "_tasks"
    return shipped if shipped.is_dir() else package.parent.parent / "tasks"


def _installed_plugins() -> list[Path]:
    """Installed packages name, in the entry-point group `repbench.plugins`, a function that returns their paths."""
    found: list[Path] = []
    for entry in importlib.metadata.entry_points(group="repbench.plugins"):
        found += [Path(path) for path in cast(Iterable[Any], entry.load()())]
    return found


def _add_folder(folder: Path, datasets: dict[str, DatasetDeclaration], families: dict[str, Family]) -> None:
    family = folder.name
    declared = folder / "family.toml"
    if declared.is_file():
        families[family] = build(Family, read_toml(declared), str(declared), name=family)
    elif family not in families:
        families[family] = dataclasses.replace(families[PLUGIN_FAMILY], name=family, title=family)
    for path in sorted(folder.glob("*.toml")):
        if path.name != "family.toml":
            _add_dataset(read_declaration(path, family), datasets)


def _add_dataset(dataset: DatasetDeclaration, datasets: dict[str, DatasetDeclaration]) -> None:
    if dataset.name in datasets:
        raise DeclarationError(
            f"the dataset name {dataset.name!r} is taken twice: {datasets[dataset.name].path} and {dataset.path}."
        )
    datasets[dataset.name] = dataset


def _hyphenated(pattern: str) -> str:
    """The pattern as protocols are named: of the file my_protocol.py the protocol is `my-protocol`."""
    protocol, slash, dataset = pattern.partition("/")
    return protocol.replace("_", "-") + slash + dataset
