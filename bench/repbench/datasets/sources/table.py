"""A table of your own, CSV or Parquet: one row an image, with its file, class, split and factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.inside import check_inside
from repbench.datasets.items import FileItems
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError, did_you_mean

ENDING = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Options of `[sources.table]`: `path` of the table below the folder of `--data` (default: the dataset's name and .csv).

    `images` is the folder that files are named from (default: the table's own). `split` is the column whose values name the
    splits; `columns` maps our column names to theirs. With `classes = 1` no column of a class is needed.
    """

    path: str = ""
    images: str = "."
    split: str = "split"
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path and not self.path.endswith(ENDING):
            raise ValueError(f"path is {self.path!r}; expected a file that ends in {' or '.join(ENDING)}.")


def find(options: Table, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The table, or where it would be: below `data`, else the folder that one is in, else the cache's."""
    roots = [data] if data is not None else [Path(), data_folder()]
    names = [options.path] if options.path else [f"{declaration.name}{ending}" for ending in ENDING]
    paths = [root / name for root in roots for name in names]
    found = [path for path in paths if path.is_file()]
    how = "pass the folder above it as --data (of train: --data-folder)"
    return found[0] if found else Absent(looked_for=paths[0], how_to_get=how)


def read(options: Table, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits in the order of the table. Raises DataError for a missing column, an empty cell or an unknown split."""
    path = find(options, declaration, data)
    if isinstance(path, Absent):
        return path
    columns = _columns(path)
    theirs = {name: options.columns.get(name, name) for name in (declaration.medium, declaration.label, *declaration.factors)}
    has_class = declaration.class_count != 1
    wanted = [options.split, *(column for name, column in theirs.items() if name != declaration.label or has_class)]
    for column in (*wanted, *((declaration.cluster,) if declaration.cluster and declaration.cluster not in theirs else ())):
        _check(column, columns, path)
    at_split = columns[options.split].astype(str)
    splits = {}
    for split in declaration.splits:
        places = np.flatnonzero(at_split == split)
        if not len(places):
            held = ", ".join(map(repr, np.unique(at_split)[:8].tolist()))
            raise DataError(f"{path}: the column {options.split!r} never says {split!r}; it says {held}.")
        splits[split] = _split(places, columns, theirs, path.parent / options.images, declaration)
    return RawDataset(splits=splits, class_names=None, place=f"table {path}")


def _split(
    places: np.ndarray,
    columns: Mapping[str, np.ndarray],
    theirs: Mapping[str, str],
    root: Path,
    declaration: DatasetDeclaration,
) -> RawSplit:
    names = columns[theirs[declaration.medium]][places].astype(str)
    ours = {column: name for name, column in theirs.items() if name not in (declaration.medium, declaration.label)}
    kept = {ours.get(column, column): values[places] for column, values in columns.items()}
    one_class = declaration.class_count == 1
    label = np.zeros(len(places), int) if one_class else columns[theirs[declaration.label]][places].astype(str)
    paths = [root / name for name in names]
    check_inside(paths, root)
    items = FileItems(declaration.columns[declaration.medium], paths)
    return RawSplit(ids=names, label=label, columns=kept, media={declaration.medium: items})


def _columns(path: Path) -> dict[str, np.ndarray]:
    """Every column by name; of a CSV as texts, of a Parquet file as it holds them."""
    import pandas as pd

    try:
        csv = path.suffix == ".csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False) if csv else pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pandas and pyarrow raise kinds of ValueError
        raise DataError(f"{path}: cannot be read as a table ({error}).") from error
    return {str(name): table[name].to_numpy() for name in table.columns}


def _check(column: str, columns: Mapping[str, np.ndarray], path: Path) -> None:
    import pandas as pd

    if column not in columns:
        raise DataError(f"{path}: no column {column!r}.{did_you_mean(column, columns)}")
    values = columns[column]
    empty = np.flatnonzero(pd.isna(values) | (values.astype(str) == ""))
    if len(empty):
        raise DataError(f"{path}: the column {column!r} is empty in {len(empty)} rows, the first being row {empty[0] + 1}.")
