"""Packs: Parquet files that ship inside the package, or that `repbench data fetch` made on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import FETCHABLE, fetch_command, place_of
from repbench.datasets.folds import Folds, dealt
from repbench.datasets.items import EncodedItems, Items
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Options of `[sources.pack]`: which pack, and which of its columns says the split (rows of another value are left out).

    With `folds` whole groups change places between the splits: datasets/folds.py.
    """

    name: str
    split: str = "split"
    folds: Folds | None = None


def find(options: Pack, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The file of a pack, or where one to fetch would lie. Raises UnknownNameError for a pack that is neither."""
    path = place_of(options.name)
    return path if path.is_file() else Absent(looked_for=path, how_to_get=fetch_command(options.name))


def read(options: Pack, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits of a pack, or where one to fetch would lie. Raises UnknownNameError for a pack that is neither."""
    path = find(options, declaration, data)
    if isinstance(path, Absent):
        return path
    table = _table(path)
    label = () if declaration.probe is not None else (declaration.label,)
    of = () if options.folds is None else (options.folds.of,)
    for column in (options.split, *of, *label, *declaration.columns, *declaration.factors):
        if column not in table.column_names:
            raise DataError(f"{path.name} has no column {column!r}; it has {', '.join(table.column_names)}.")
    names = table.column(options.split).to_numpy(zero_copy_only=False)
    labelled = table.column(label[0]).to_numpy(zero_copy_only=False) != "" if label else np.ones(len(names), bool)
    if options.folds is not None:
        kind, group = (table.column(one).to_numpy(zero_copy_only=False) for one in (declaration.label, options.folds.of))
        names = dealt(np.where(labelled, names, ""), kind, group, options.folds)
    splits = {}
    for split in declaration.splits:
        rows = np.flatnonzero((names == split) & labelled)
        splits[split] = _raw_split(table.take(rows), declaration, path.name)
    kind = "fetched" if options.name in FETCHABLE else "embedded"
    return RawDataset(splits=splits, class_names=None, place=f"{kind} pack {options.name}")


def pack_path(name: str) -> Path:
    """The file of a pack. Raises UnknownNameError with the nearest names, and DataError if it has yet to be fetched."""
    path = place_of(name)
    if not path.is_file():
        raise DataError(f"the pack {name!r} is not on this machine. Looked for {path} ({fetch_command(name)}).")
    return path


def pack_about(name: str) -> dict[str, Any]:
    """Title, sources, licences, derivation and columns of a pack, from its own metadata."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(pack_path(name)).metadata or {}
    about: dict[str, Any] = json.loads(metadata.get(b"repbench", b"{}"))
    return about


@cache
def _table(path: Path) -> Any:  # several datasets read one pack; it fits in memory and is never changed
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _raw_split(table: Any, declaration: DatasetDeclaration, pack: str) -> RawSplit:
    import pyarrow as pa

    ids = table.column("id").to_numpy(zero_copy_only=False).astype(str)
    names = [f"{pack}:{identifier}" for identifier in ids]
    media: dict[str, Items] = {}
    columns: dict[str, np.ndarray] = {}
    for column in table.column_names:
        if column in declaration.columns:
            values = table.column(column).to_pylist()
            blobs = [value.encode() if isinstance(value, str) else value for value in values]
            media[column] = EncodedItems(declaration.columns[column], names, blobs)
        elif column not in ("id", "image", "audio") and not pa.types.is_binary(table.schema.field(column).type):
            columns[column] = table.column(column).to_numpy(zero_copy_only=False)
    return RawSplit(ids=ids, label=columns.get(declaration.label, np.zeros(len(ids), int)), columns=columns, media=media)
