"""What a layout gives: the examples of one split, in the order of its official list."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.inside import check_inside
from repbench.datasets.items import FileItems, Items
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Ids, labels as in `RawSplit` (names, numbers or memberships), the images, and further columns (factors)."""

    ids: np.ndarray
    label: np.ndarray
    items: Items
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)


def listed(folder: Path, names: Sequence[str], label: Sequence[Any] | np.ndarray, **columns: Sequence[str]) -> Listing:
    """The image files `names`, relative to `folder`, which are also their ids; `columns` are factors, n texts each.

    Raises DataError for a name that leads out of the folder.
    """
    paths = [folder / name for name in names]
    check_inside(paths, folder)
    return Listing(
        ids=np.array(names),
        label=np.asarray(label),
        items=FileItems("image", paths),
        columns={name: np.array(values) for name, values in columns.items()},
    )


def csv_rows(path: Path, *needed: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header. Raises DataError that names the file, and a column that is needed and missing."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
        raise DataError(f"{path}: no column {missing[0]!r}; there are {', '.join(reader.fieldnames or ()) or 'none'}.")
    return rows


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not empty. Raises DataError that names it."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def matlab(path: Path, name: str) -> Any:
    """One variable of a MATLAB file, squeezed to a list or array of at least one dimension. Raises DataError."""
    from scipy.io import loadmat

    try:
        return np.atleast_1d(loadmat(str(path), squeeze_me=True)[name])
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}).") from error
    except KeyError:
        raise DataError(f"{path}: holds no variable {name!r}.") from None
