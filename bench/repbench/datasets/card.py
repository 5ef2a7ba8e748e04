"""What the card of a dataset folder (README.md) may tell the library `datasets` to read: files of that folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from repbench.errors import DataError

CARDS = ("README.md", ".huggingface.yaml")


def check_card(folder: Path) -> None:
    """Raise DataError where a card of the folder names data files elsewhere: by an address of the web, a `..`, or absolutely.

    `datasets` would fetch an address without being asked to.
    """
    for card in (folder / name for name in CARDS):
        for name in _data_files(card):
            path = PurePosixPath(name)
            if "://" in name or "::" in name or path.is_absolute() or ".." in path.parts:
                raise DataError(f"{card}: names the data file {name!r}, which lies outside its folder. Take that line out.")


def files_of_splits(folder: Path, config: str | None = None) -> dict[str, list[str]]:
    """Split -> patterns of its files, as a card says of a configuration (or the only one, or the default); {} if none does."""
    for card in (folder / name for name in CARDS):
        found = {str(one.get("config_name", "default")): one.get("data_files") for one in _configurations(card)}
        name = config or (next(iter(found)) if len(found) == 1 else "default")
        rows = [row for row in _list(found.get(name)) if isinstance(row, dict) and "split" in row]
        if rows:
            return {str(row["split"]): list(_texts(row.get("path"))) for row in rows}
    return {}


def _data_files(card: Path) -> Iterator[str]:
    for configuration in _configurations(card):
        yield from _texts(configuration.get("data_files"))
        yield from _texts(configuration.get("data_dir"))


def _configurations(card: Path) -> list[dict[str, Any]]:
    """The configurations that a card names; [] where there is no card. Raises DataError where its header is no YAML."""
    import yaml

    if not card.is_file():
        return []
    text = card.read_text(encoding="utf-8", errors="replace")
    if card.suffix == ".md":
        parts = text.split("---")
        text = parts[1] if text.lstrip("\ufeff").startswith("---") and len(parts) > 2 else ""
    try:
        table = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{card}: its header is no YAML ({error}).") from error
    named = _list(table.get("configs")) if isinstance(table, dict) else []
    return [one for one in named if isinstance(one, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of YAML."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
