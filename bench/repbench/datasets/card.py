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
        if not card.is_file():
            continue
        for name in _data_files(card):
            path = PurePosixPath(name)
            if "://" in name or "::" in name or path.is_absolute() or ".." in path.parts:
                raise DataError(f"{card}: names the data file {name!r}, which lies outside its folder. Take that line out.")


def _data_files(card: Path) -> Iterator[str]:
    import yaml

    text = card.read_text(encoding="utf-8", errors="replace")
    if card.suffix == ".md":
        parts = text.split("---")
        text = parts[1] if text.lstrip("\ufeff").startswith("---") and len(parts) > 2 else ""
    try:
        table = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{card}: its header is no YAML ({error}).") from error
    for configuration in _list(table.get("configs")) if isinstance(table, dict) else ():
        if isinstance(configuration, dict):
            yield from _texts(configuration.get("data_files"))
            yield from _texts(configuration.get("data_dir"))


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
