"""Where fetched packs lie, which packs can be fetched, and whether a dataset is on this machine; nothing is read for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from repbench.datasets.declaration import DatasetDeclaration
from repbench.errors import UnknownNameError

FETCHABLE = {  # pack -> its module here
    "clipart": "clipart",
    "fashion-mnist": "fashion_mnist",
    "mnist": "mnist",
    "stamps": "stamps",
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


def how_to_get(declaration: DatasetDeclaration) -> str:
    """The command that brings a dataset whose only sources are packs that are not here; "" for any other dataset."""
    commands = [_missing(options) if source == "pack" else "" for source, options in declaration.sources.items()]
    return commands[0] if all(commands) else ""


def is_here(declaration: DatasetDeclaration) -> bool:
    """False if the dataset can only come from packs that are not on this machine. Other sources are not looked at."""
    return not how_to_get(declaration)


def _missing(options: Mapping[str, Any]) -> str:
    name = str(options.get("name", ""))
    return fetch_command(name) if name in FETCHABLE and not place_of(name).is_file() else ""
