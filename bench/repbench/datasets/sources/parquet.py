"""Parquet or Arrow files in the hub's column layout, or a folder of `Dataset.save_to_disk`: read where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.shards import missing_shard
from repbench.datasets.sources.huggingface import load_table, raw_split
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Parquet:
    """Options of `[sources.parquet]`: `path` below the folder of `--data` (default: the dataset's name).

    `columns` maps our column names to theirs, `splits` our split names to theirs. The files of a split begin with its name:
    `train-00000-of-00002.parquet`, in the folder or one below it.
    """

    path: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)


def find(options: Parquet, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder if it holds all files of every split, or where they would be."""
    folder = data_folder(data) / (options.path or declaration.name)
    if (folder / "dataset_dict.json").is_file():
        return folder
    theirs = [options.splits.get(split, split) for split in declaration.splits]
    files = {split: _files(folder, split) for split in theirs}
    without = [folder / f"{split}-*.parquet" for split in theirs if not files[split]]
    lacking = without[0] if without else missing_shard(path for found in files.values() for path in found)
    if lacking is None:
        return folder
    return Absent(looked_for=lacking, begun=folder if any(files.values()) else None)


def read(options: Parquet, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits in the order of their files. Raises DataError for a missing split or column."""
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    splits: dict[str, RawSplit] = {}
    class_names: tuple[str, ...] | None = None
    for split in declaration.splits:
        table = _table(folder, options.splits.get(split, split))
        splits[split], names = raw_split(table, split, options.columns, declaration, str(folder), folder)
        class_names = class_names or names
    return RawDataset(splits=splits, class_names=class_names, place=f"files in {folder}")


def _files(folder: Path, split: str) -> list[Path]:
    return sorted(path for ending in ("parquet", "arrow") for path in folder.glob(f"**/{split}[-.]*{ending}"))


def _table(folder: Path, split: str) -> Any:
    import datasets

    if (folder / "dataset_dict.json").is_file():
        try:
            whole = datasets.load_from_disk(str(folder))
        except Exception as error:  # errors of its own, of pyarrow and the language
            raise DataError(f"{folder}: cannot be read as a folder of save_to_disk ({error}).") from error
        if split not in whole:
            raise DataError(f"{folder}: no split {split!r}; there are {', '.join(whole)}.")
        return whole[split]
    files = _files(folder, split)
    kind = files[0].suffix[1:]
    return load_table(folder, kind, data_files={split: [str(path) for path in files]}, split=split)
