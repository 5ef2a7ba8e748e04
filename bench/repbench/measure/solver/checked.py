"""What a probe is given, looked at before anything is solved: shapes, sizes and labels."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

import numpy as np

from repbench.errors import ProtocolError

ROWS = 8192  # at a time: they may lie in a memory map
LARGEST = 1e14  # of a feature: squares of larger ones, summed over many rows, are more than float32 can hold


def checked(x: np.ndarray, y: np.ndarray, classes: int, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and labels as `logistic.fit_path` takes them; of d = `width` where that is given.

    Raises ProtocolError for other shapes, no rows, values that are not finite or above LARGEST, fewer than two classes to tell
    apart, and labels that are none of them.
    """
    x, y = numbers(x), np.asarray(y)
    if x.ndim != 2 or not len(x) or len(x) != len(y):
        raise ProtocolError(f"logistic regression needs features (n, d) and n labels; got {x.shape} and {y.shape}.")
    if width is not None:
        checked_rows(x, width)
    check_sizes(x)
    check_labels(y, classes)
    return x, y


def check_sizes(x: np.ndarray) -> None:
    """Raises ProtocolError for features (n, d) that are not finite, or above LARGEST."""
    largest = max((float(np.abs(x[first : first + ROWS]).max(initial=0.0)) for first in range(0, len(x), ROWS)), default=0.0)
    if not np.isfinite(largest):
        raise ProtocolError("logistic regression needs finite features; some are NaN or infinite.")
    if largest > LARGEST:
        raise ProtocolError(
            f"logistic regression cannot sum the squares of features as large as {largest:.3g}: at most {LARGEST:.0e}."
            " Divide the embeddings by their typical size."
        )


def checked_rows(x: np.ndarray, width: int) -> np.ndarray:
    """Features (n, width). Raises ProtocolError for another shape."""
    x = numbers(x)
    if x.ndim != 2 or x.shape[1] != width:
        raise ProtocolError(f"this probe was fitted to features (n, {width}); got {x.shape}.")
    return x


def checked_strengths(strengths: Iterable[float]) -> tuple[float, ...]:
    """Penalties, as they were given. Raises ProtocolError where there is none, and for one that is no finite number above 0."""
    given = tuple(strengths) if isinstance(strengths, Iterable) else (strengths,)
    if not given or not all(isinstance(one, Real) and 0 < one < float("inf") for one in given):
        raise ProtocolError(f"strengths of a penalty are finite numbers above 0; got {', '.join(map(repr, given)) or 'none'}.")
    return given


def numbers(x: np.ndarray) -> np.ndarray:
    """Raises ProtocolError for features that are no real numbers."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise ProtocolError(f"features are real numbers; got an array of {x.dtype}.")
    return x


def check_labels(y: np.ndarray, classes: int) -> None:
    """Raises ProtocolError for labels (n,) or (n, classes) that are none of two classes or more."""
    if y.ndim == 2:
        if y.shape[1] != classes or not np.isin(y, (-1, 0, 1)).all():
            raise ProtocolError(f"labels of several classes are 1, -1 or 0 in (n, {classes}); got {y.shape}.")
        return
    if classes < 2:
        raise ProtocolError(f"logistic regression tells two classes or more apart; got {classes}.")
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise ProtocolError(f"labels are whole numbers (n,); got {y.dtype} {y.shape}.")
    if y.min() < 0 or y.max() >= classes:
        raise ProtocolError(f"labels of {classes} classes are 0 to {classes - 1}; got {y.min()} to {y.max()}.")
