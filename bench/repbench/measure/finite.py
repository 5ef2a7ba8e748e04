"""Which rows of a table are finite, without a second table: a memory map may be larger than memory."""

from __future__ import annotations

import math

import numpy as np

NUMBERS = 2**24  # looked at at a time: 16 MB of answers


def finite_rows(x: np.ndarray) -> np.ndarray:
    """Of each row of x (n, ...) whether all its values are finite, bool (n,)."""
    found = np.empty(len(x), dtype=bool)
    step = max(1, NUMBERS // max(1, math.prod(x.shape[1:])))
    for first in range(0, len(x), step):
        block = np.isfinite(x[first : first + step])
        found[first : first + step] = block.all(axis=tuple(range(1, x.ndim)))
    return found
