"""Probes whose pictures are composed of those of other packs: a pack of recipes and captions, one row an example."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.composing import ComposedItems
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import fetch_command, place_of
from repbench.datasets.items import Items, text_items
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Options of `[sources.composed]`: the pack `name` of recipes, and the packs that its `pictures` come from.

    The recipes stand in the columns of images (see datasets/composing.py); the column `split` says the split.
    """

    name: str
    pictures: tuple[str, ...]


def find(options: Composed, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The file of recipes, or the pack of pictures that is not on this machine. Raises UnknownNameError."""
    for name in (options.name, *options.pictures):
        if not place_of(name).is_file():
            return Absent(looked_for=place_of(name), how_to_get=fetch_command(name))
    return place_of(options.name)


def read(options: Composed, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits, or the pack that is missing. Raises UnknownNameError for an unknown pack, DataError for a missing column."""
    import pyarrow.parquet as pq

    path = find(options, declaration, data)
    if isinstance(path, Absent):
        return path
    table = pq.read_table(path)
    for column in ("id", "split", *declaration.columns, *declaration.factors):
        if column not in table.column_names:
            raise DataError(f"{path.name} has no column {column!r}; it has {', '.join(table.column_names)}.")
    pictures: dict[tuple[str, str], bytes] = {}
    for name in options.pictures:
        pictures |= _pictures(place_of(name))
    of_split = table.column("split").to_numpy(zero_copy_only=False)
    splits = {
        split: _raw_split(table.take(np.flatnonzero(of_split == split)), declaration, pictures, path.name)
        for split in declaration.splits
    }
    return RawDataset(
        splits=splits, class_names=None, place=f"recipes {options.name}, pictures of {', '.join(options.pictures)}"
    )


@cache
def _pictures(path: Path) -> dict[tuple[str, str], bytes]:  # several probes compose the pictures of one pack
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["id", "image"])
    ids, blobs = table.column("id").to_pylist(), table.column("image").to_pylist()
    return {(path.stem, identifier): blob for identifier, blob in zip(ids, blobs, strict=True)}


def _raw_split(table: Any, declaration: DatasetDeclaration, pictures: dict[tuple[str, str], bytes], pack: str) -> RawSplit:
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    ids = columns.pop("id").astype(str)
    names = [f"{pack}:{identifier}" for identifier in ids]
    media: dict[str, Items] = {}
    for column, modality in declaration.columns.items():
        values = columns.pop(column).tolist()
        media[column] = text_items(values, names) if modality == "text" else ComposedItems(names, values, pictures)
    return RawSplit(ids=ids, label=np.zeros(len(ids), dtype=np.int64), columns=columns, media=media)
