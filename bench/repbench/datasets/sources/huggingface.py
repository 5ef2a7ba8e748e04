"""Hugging Face `datasets`: a hub repository that is in the local cache, a folder in a hub layout, or Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import EncodedItems, FileItems, Items
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class HuggingFace:
    """Options of `[sources.huggingface]`.

    Either `repository` (a hub id, or a folder below `--data`) with `config` and `revision`, or `files`: Parquet files by
    split, relative to `--data`. `columns` maps our column names to theirs, `splits` our split names to theirs.
    """

    repository: str = ""
    config: str | None = None
    revision: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.repository) == bool(self.files):
            raise ValueError("give either 'repository' or 'files'.")


def read(options: HuggingFace, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits of a repository that is already on this machine; nothing is downloaded. Raises DataError."""
    splits: dict[str, RawSplit] = {}
    class_names: tuple[str, ...] | None = None
    place = options.repository or "Parquet files"
    for split in declaration.splits:
        loaded = _load(options, split, data)
        if isinstance(loaded, Absent):
            return loaded
        splits[split], names = _raw_split(loaded, split, options, declaration)
        class_names = class_names or names
    return RawDataset(splits=splits, class_names=class_names, place=f"Hugging Face datasets: {place}")


def _load(options: HuggingFace, split: str, data: Path | None) -> Any:
    import datasets

    base = data or Path()
    theirs = options.splits.get(split, split)
    if options.files:
        pattern = options.files.get(split)
        found = sorted(base.glob(pattern)) if pattern else []
        if not found:
            return Absent(looked_for=base / (pattern or f"(no file is declared for the split {split!r})"))
        paths = [str(path) for path in found]
        return datasets.load_dataset("parquet", data_files={split: paths}, split=split)
    folder = base / options.repository
    target = str(folder) if folder.is_dir() else options.repository
    local = datasets.DownloadConfig(local_files_only=True)
    try:
        return datasets.load_dataset(target, options.config, split=theirs, revision=options.revision, download_config=local)
    except (ConnectionError, FileNotFoundError, OSError) as error:
        return Absent(looked_for=f"{options.repository} in the local hub cache or {folder}", how_to_get=str(error)[:200])
    except ValueError as error:
        raise DataError(f"{target}: the split {theirs!r} cannot be read ({error}).") from error


def _raw_split(
    table: Any, split: str, options: HuggingFace, declaration: DatasetDeclaration
) -> tuple[RawSplit, tuple[str, ...] | None]:
    theirs = {column: options.columns.get(column, column) for column in (*declaration.columns, declaration.label)}
    for column in theirs.values():
        if column not in table.column_names:
            raise DataError(f"{options.repository}: no column {column!r}; there are {', '.join(table.column_names)}.")
    names = getattr(table.features[theirs[declaration.label]], "names", None)
    ids = np.array([f"{split}/{place}" for place in range(len(table))])
    media = {column: _items(table, theirs[column], modality, list(ids)) for column, modality in declaration.columns.items()}
    columns = {
        column: np.asarray(table[column][:])
        for column in table.column_names
        if column not in theirs.values() and table.features[column].__class__.__name__ in ("Value", "ClassLabel")
    }
    label = np.asarray(table[theirs[declaration.label]][:])
    return RawSplit(ids=ids, label=label, columns=columns, media=media), tuple(names) if names else None


def _items(table: Any, column: str, modality: str, names: list[str]) -> Items:
    import datasets

    if modality == "text":
        return EncodedItems("text", names, [str(text).encode() for text in table[column][:]])
    feature = datasets.Image(decode=False) if modality == "image" else datasets.Audio(decode=False)
    values: Sequence[Mapping[str, Any]] = table.select_columns([column]).cast_column(column, feature)[column]
    if len(values) and values[0]["bytes"] is None:
        return FileItems(modality, [Path(value["path"]) for value in values])
    return _Lazy(modality, names, values)


class _Lazy(Items):
    """Bytes that stay in the memory-mapped Arrow file until they are asked for."""

    def __init__(self, modality: str, names: Sequence[str], values: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(modality, names)
        self._values = values

    def content(self, place: int) -> bytes:
        data: bytes = self._values[place]["bytes"]
        return data
