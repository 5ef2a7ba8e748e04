"""Small NORB (LeCun et al. 2004): toys on a grid of elevation, azimuth and light, in binary matrices: `-dat`, `-cat`, `-info`.

A matrix begins with a magic number, the number of its dimensions and the dimensions (at least three), int32, little-endian. The
left picture of each stereo pair is taken. info: instance, elevation (0 to 8: 30 to 70 degrees), azimuth / 10, light (0 to 5).
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.items import PixelItems
from repbench.datasets.layouts.listing import Listing
from repbench.errors import DataError

STEMS = {"train": "smallnorb-5x46789x9x18x6x2x96x96-training", "test": "smallnorb-5x01235x9x18x6x2x96x96-testing"}
TYPES: dict[int, np.dtype[Any]] = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}
TOYS = ("animal", "human", "airplane", "truck", "car")


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The official splits, in the official order. Raises DataError for files that are missing or no such matrices."""
    return {split: _split(folder, split) for split in sizes}


def class_names(folder: Path) -> tuple[str, ...]:
    """The kinds of toys in label order."""
    return TOYS


def _split(folder: Path, split: str) -> Listing:
    stem = STEMS[split]
    pixels, label, info = (matrix(folder / f"{stem}-{part}.mat") for part in ("dat", "cat", "info"))
    if pixels.ndim != 4 or pixels.shape[1] != 2 or label.shape != (len(pixels),) or info.shape != (len(pixels), 4):
        raise DataError(
            f"{folder}/{stem}: the shapes of dat, cat and info are {pixels.shape}, {label.shape}, {info.shape}; "
            "expected (n, 2, height, width), (n,) and (n, 4)."
        )
    left = pixels[:, 0]
    ids = [f"{split}/{place}" for place in range(len(label))]
    return Listing(
        ids=np.array(ids),
        label=label.astype(np.int64),
        items=PixelItems(ids, np.broadcast_to(left[..., None], (*left.shape, 3))),
        columns={
            "instance": np.array([f"{TOYS[kind]} {one}" for kind, one in zip(label, info[:, 0], strict=True)]),
            "elevation": 30 + 5 * info[:, 1],
            "azimuth": 10 * info[:, 2],
            "lighting": info[:, 3].astype(str),
        },
    )


def matrix(path: Path) -> np.ndarray:
    """The array of a binary matrix, or of its gzip: mapped from disk where it can be. Raises DataError that names the file."""
    zipped = path.with_name(f"{path.name}.gz")
    try:
        packed = not path.is_file() and zipped.is_file()
        raw = np.frombuffer(gzip.decompress(zipped.read_bytes()), np.uint8) if packed else np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    head = raw[: len(raw) // 4 * 4][:40].view("<i4")
    if len(head) < 5 or int(head[0]) not in TYPES or not 1 <= head[1] <= 8:
        raise DataError(f"{path}: begins with {bytes(raw[:4]).hex() or 'nothing'}: no matrix of bytes or integers of NORB's.")
    kind, count = TYPES[int(head[0])], int(head[1])
    shape = tuple(int(one) for one in head[2 : 2 + count])
    start = 4 * (2 + max(3, count))
    wanted = start + kind.itemsize * int(np.prod(shape))
    if len(raw) != wanted:
        raise DataError(f"{path}: has {len(raw)} bytes; a matrix of {' x '.join(map(str, shape))} asks for {wanted}.")
    found: np.ndarray = raw[start:].view(kind).reshape(shape)
    return found
