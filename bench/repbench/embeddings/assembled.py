"""Tables of embeddings that are put together from chunks: in memory, and where they are large, in a file that is mapped.

The file has no name: it ends with the process that holds the table, however that ends. Its room is taken at once, for a map of
a file for which the disk has no room left would end the process.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import numpy as np

LARGE = 512 * 2**20  # bytes; smaller tables are made in memory
BYTES = 4  # of a number


def new_table(shape: tuple[int, ...], folder: Path) -> np.ndarray:
    """A table float32 to be filled, of undefined content; a large one is the map of a file in `folder`, if that can be had."""
    size = BYTES * math.prod(shape)
    if size > LARGE:
        try:
            return _mapped(shape, size, folder)
        except OSError:  # a folder that is read-only, or a disk without the room: memory may have it
            pass
    return np.empty(shape, dtype=np.float32)


def _mapped(shape: tuple[int, ...], size: int, folder: Path) -> np.ndarray:
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS
            for start in range(0, size, 2**20):
                file.write(bytes(min(2**20, size - start)))
            file.flush()
        return np.asarray(np.memmap(file, dtype=np.float32, mode="r+", shape=shape))
