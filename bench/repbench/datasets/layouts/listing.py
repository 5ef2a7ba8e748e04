"""What a layout gives: the examples of one split, in the order of its official list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.items import FileItems, Items
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Ids, labels as in `RawSplit` (names, numbers or memberships), and the images."""

    ids: np.ndarray
    label: np.ndarray
    items: Items


def listed(folder: Path, names: Sequence[str], label: Sequence[Any] | np.ndarray) -> Listing:
    """The image files `names`, relative to `folder`, which are also their ids."""
    return Listing(ids=np.array(names), label=np.asarray(label), items=FileItems("image", [folder / name for name in names]))


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
