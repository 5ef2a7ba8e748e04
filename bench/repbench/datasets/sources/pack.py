"""Embedded packs: Parquet files that ship inside the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import EncodedItems, Items
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Options of `[sources.pack]`: which pack, and which of its columns says the split (rows of another value are left out)."""

    name: str
    split: str = "split"


def read(options: Pack, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits of an embedded pack. Raises UnknownNameError for a pack that is not shipped."""
    path = pack_path(options.name)
    table = _table(path)
    for column in (options.split, declaration.label, *declaration.columns, *declaration.factors):
        if column not in table.column_names:
            raise DataError(f"{path.name} has no column {column!r}; it has {', '.join(table.column_names)}.")
    names = table.column(options.split).to_numpy(zero_copy_only=False)
    labels = table.column(declaration.label).to_numpy(zero_copy_only=False)
    splits = {}
    for split in declaration.splits:
        rows = np.flatnonzero((names == split) & (labels != ""))
        splits[split] = _raw_split(table.take(rows), declaration, path.name)
    return RawDataset(splits=splits, class_names=None, place=f"embedded pack {options.name}")


def pack_path(name: str) -> Path:
    """The file of an embedded pack. Raises UnknownNameError with the nearest names."""
    folder = Path(str(files("repbench") / "datasets" / "packs"))
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise UnknownNameError("embedded pack", name, (other.stem for other in folder.glob("*.parquet")))
    return path


def pack_about(name: str) -> dict[str, Any]:
    """Title, sources, licences, derivation and columns of a pack, from its own metadata."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(pack_path(name)).metadata or {}
    about: dict[str, Any] = json.loads(metadata.get(b"repbench", b"{}"))
    return about


@cache
def _table(path: Path) -> Any:  # several datasets read one pack; it is small and never written
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _raw_split(table: Any, declaration: DatasetDeclaration, pack: str) -> RawSplit:
    ids = table.column("id").to_numpy(zero_copy_only=False).astype(str)
    names = [f"{pack}:{identifier}" for identifier in ids]
    media: dict[str, Items] = {}
    columns: dict[str, np.ndarray] = {}
    for column in table.column_names:
        if column in declaration.columns:
            values = table.column(column).to_pylist()
            blobs = [value.encode() if isinstance(value, str) else value for value in values]
            media[column] = EncodedItems(declaration.columns[column], names, blobs)
        elif column not in ("id", "image", "audio"):
            columns[column] = table.column(column).to_numpy(zero_copy_only=False)
    return RawSplit(ids=ids, label=columns.get(declaration.label, np.zeros(len(ids), int)), columns=columns, media=media)
