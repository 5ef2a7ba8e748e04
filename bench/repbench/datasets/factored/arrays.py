"""NumPy's files of other people: read without pickle, so that nothing in them is executed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from repbench.datasets.factored.drawing import BLOCK
from repbench.errors import DataError


def array(path: Path, *, columns: int = 0) -> np.ndarray:
    """The array of a .npy file; with `columns` it must be (n, at least so many). Raises DataError that names the file."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an array ({getattr(error, 'strerror', None) or error}).") from error
    if columns and (found.ndim != 2 or found.shape[1] < columns):
        raise DataError(f"{path}: has shape {found.shape}; expected (n, {columns}).")
    return found


def member(path: Path, name: str) -> np.ndarray:
    """One array of a .npz file; the others are not touched. Raises DataError."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            found: np.ndarray = archive[name]
    except KeyError:
        raise DataError(f"{path}: holds no array {name!r}.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: its array {name!r} cannot be read ({error}).") from error
    return found


def member_blocks(path: Path, name: str) -> Iterator[np.ndarray]:
    """One array of a .npz file, some thousand rows at a time, for it may be larger than memory. Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = header(stream)
            if fortran or dtype.hasobject or not shape:
                raise ValueError(f"it holds {'objects' if dtype.hasobject else 'columns before rows'}")
            row = int(np.prod(shape[1:])) * dtype.itemsize
            for start in range(0, shape[0], BLOCK):
                count = min(BLOCK, shape[0] - start)
                yield np.frombuffer(stream.read(count * row), dtype=dtype).reshape(count, *shape[1:])
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: its array {name!r} cannot be read ({error}).") from error
