"""Where fetched packs lie, which packs can be fetched, and whether a dataset is on this machine; nothing is read for it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.part import merged_of, part_of
from repbench.errors import DeclarationError, UnknownNameError, did_you_mean
from repbench.strict import build

if TYPE_CHECKING:
    from repbench.datasets.table import Absent

SOURCES = {  # module in sources/ -> its options
    "pack": "Pack",
    "composed": "Composed",
    "torchvision": "Torchvision",
    "parquet": "Parquet",
    "webdataset": "Webdataset",
    "folder": "Folder",
    "huggingface": "HuggingFace",
    "annotations": "Annotations",
    "karpathy": "Karpathy",
    "factored": "Factored",
    "librispeech": "LibriSpeech",
    "table": "Table",
}
BY_HAND = ("karpathy",)  # sources that no command brings
ANY_SOURCE = (  # what every source can say, beside its own options
    "deviates",  # that it is no true copy, and in what
    "in_declared_order",  # that its class numbers are the declared ones, whatever it calls the classes
)
FETCHABLE = {  # pack -> its module here
    "clipart": "clipart",
    "fashion-mnist": "fashion_mnist",
    "mnist": "mnist",
    "stamps": "stamps",
    "waterstamps": "waterstamps",
}


def packs_folder() -> Path:
    """Where fetched packs are kept unless told: $REPBENCH_PACKS, else `repbench/packs` in the user's cache folder."""
    if given := os.environ.get("REPBENCH_PACKS"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repbench" / "packs"


def data_folder(data: Path | None = None) -> Path:
    """Where published datasets lie: the folder given, else $REPBENCH_DATA, else `repbench/data` in the user's cache folder."""
    if data is not None:
        return data
    if given := os.environ.get("REPBENCH_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repbench" / "data"


def begun_folder(name: str, data: Path | None = None) -> Path:
    """Where a download of a dataset by torchvision lies until it is whole (fetch/staging.py)."""
    return data_folder(data) / ".fetching" / name


def place_of(name: str) -> Path:
    """The file of a pack: an embedded one, which is there, or one to fetch, which may not be. Raises UnknownNameError."""
    embedded = Path(str(files("repbench") / "datasets" / "packs"))
    path = embedded / f"{name}.parquet"
    if path.is_file():
        return path
    if name in FETCHABLE:
        return packs_folder() / f"{name}.parquet"
    raise UnknownNameError("pack", name, [*(other.stem for other in embedded.glob("*.parquet")), *FETCHABLE])


def fetch_command(name: str) -> str:
    """What to type to have a pack."""
    return f"repbench data fetch {name}"


def how_to_get(declaration: DatasetDeclaration, data: Path | None = None) -> str:
    """The command that brings a dataset that can be fetched and is not on this machine; "" for any other dataset."""
    command = command_for(declaration)
    return command if command and not any(places(declaration, data).values()) else ""


def command_for(declaration: DatasetDeclaration) -> str:
    """The command that brings a dataset, be it here or not; "" where none does."""
    commands = (_command(source, options, declaration) for source, options in declaration.sources.items())
    return next((command for command in commands if command), "")


def is_here(
    declaration: DatasetDeclaration,
    data: Path | None = None,
    needed: Sequence[str] = (),
    found: Mapping[str, Path | Absent] | None = None,
) -> bool:
    """False if the dataset can be fetched, or must be brought by hand, and is at none of its places.

    `data` is the folder of the user's datasets. A copy of some splits alone is here for what needs no others than `needed`.
    `found` is what `looked_for` said of it, where it was asked before.
    """
    found = looked_for(declaration, data) if found is None else found
    if any(isinstance(place, Path) for place in found.values()):
        return True
    if not any(source in BY_HAND for source in declaration.sources) and not command_for(declaration):
        return True
    begun = any(not isinstance(one, Path) and one.begun for one in found.values())
    parts = [part_of(declaration, needed), merged_of(declaration)] if begun else []
    return any(part is not None and any(places(part, data).values()) for part in parts)


def places(declaration: DatasetDeclaration, data: Path | None = None) -> dict[str, Path | None]:
    """Where each source of a dataset lies on this machine; None for one that is not there as a whole. Nothing is read."""
    return {name: place if isinstance(place, Path) else None for name, place in looked_for(declaration, data).items()}


def looked_for(declaration: DatasetDeclaration, data: Path | None = None) -> dict[str, Path | Absent]:
    """As `places`, and of a source that is not there what was looked for, and where parts of it lie."""
    return {
        name: source_module(name).find(source_options(name, options, declaration), declaration, data)
        for name, options in declaration.sources.items()
    }


def source_module(name: str) -> ModuleType:
    """The module of a source."""
    return importlib.import_module(f"repbench.datasets.sources.{name}")


def source_options(name: str, options: Mapping[str, Any], declaration: DatasetDeclaration) -> Any:
    """The options of a source, checked. Raises DeclarationError for an unknown source or option."""
    where = f"{declaration.path or declaration.name}: sources.{name}"
    if name not in SOURCES:
        raise DeclarationError(f"{where}: unknown source.{did_you_mean(name, SOURCES)}")
    known = {key: value for key, value in options.items() if key not in ANY_SOURCE}
    return build(getattr(source_module(name), SOURCES[name]), known, where)


def _command(source: str, options: Mapping[str, Any], declaration: DatasetDeclaration) -> str:
    if source in ("pack", "composed"):
        packs = [str(options.get("name", "")), *options.get("pictures", ())]
        return next((fetch_command(name) for name in packs if name in FETCHABLE), "")
    if source in ("annotations", "factored", "librispeech"):
        return str(options.get("get", ""))
    return fetch_command(declaration.name) if source == "torchvision" or options.get("repository") else ""
