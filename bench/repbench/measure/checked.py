"""What a probe is given, looked at before anything is solved: shapes, sizes and labels."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

import numpy as np

from repbench.errors import ProtocolError

ROWS = 8192  # at a time: they may lie in a memory map
LARGEST = 1e14  # of a feature: squares of larger ones, summed over many rows, are more than float32 can hold


def checked(x: np.ndarray, y: np.ndarray, classes: int, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and labels as `logistic.fit_path` takes them, as torch knows them; of d = `width` where that is given.

    Raises ProtocolError for other shapes, no rows, values that are not finite or above LARGEST, fewer than two classes to tell
    apart, and labels that are none of them.
    """
    x, y = numbers(x), np.asarray(y)
    if x.ndim != 2 or not len(x) or y.ndim not in (1, 2) or len(x) != len(y):
        raise ProtocolError(f"logistic regression needs features (n, d) and n labels; got {x.shape} and {y.shape}.")
    if width is not None:
        checked_rows(x, width)
    check_sizes(x)
    return x, checked_labels(y, classes)


def check_sizes(x: np.ndarray) -> None:
    """Raises ProtocolError for features (n, d) that are not finite, or above LARGEST."""
    parts = (x[first : first + ROWS] for first in range(0, len(x), ROWS))
    largest = np.max([np.abs(part * 1.0).max(initial=0.0) for part in parts], initial=0.0)  # of NaN and others, NaN
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
    given = tuple(strengths) if np.ndim(strengths) else (strengths,)  # type: ignore[arg-type]
    if not given or not all(_is_number(one) and 0 < one < float("inf") for one in given):  # type: ignore[operator]
        raise ProtocolError(f"strengths of a penalty are finite numbers above 0; got {', '.join(map(repr, given)) or 'none'}.")
    return given  # type: ignore[return-value]


def check_gap(gap: float) -> None:
    """Raises ProtocolError for a relative gap that is not between 0 and 1."""
    if not (_is_number(gap) and 0 < gap < 1):
        raise ProtocolError(f"gap is {gap!r}; expected a number between 0 and 1.")


def _is_number(one: object) -> bool:
    return isinstance(one, Real) and not isinstance(one, bool)


def numbers(x: np.ndarray) -> np.ndarray:
    """Features as torch knows them: native floats of at most 8 bytes. Raises ProtocolError for what are no real numbers."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise ProtocolError(f"features are real numbers; got an array of {x.dtype}.")
    known = x.dtype.isnative and x.dtype.itemsize <= 8 and x.dtype.kind == "f"
    return x if known else x.astype(np.float32 if x.dtype.kind == "f" and x.dtype.itemsize == 4 else np.float64)


def checked_labels(y: np.ndarray, classes: int) -> np.ndarray:
    """Labels int64 (n,) or (n, classes). Raises ProtocolError for those that are none of two classes or more."""
    y = np.asarray(y)
    if not isinstance(classes, int | np.integer):
        raise ProtocolError(f"the number of classes is {classes!r}; expected a whole number.")
    if (classes < 2 and y.ndim == 1) or classes < 1:
        raise ProtocolError(f"logistic regression tells two classes or more apart; got {classes}.")
    if y.ndim == 2:
        if y.shape[1] != classes or y.dtype.kind not in "iuf" or not np.isin(y, (-1, 0, 1)).all():
            raise ProtocolError(f"labels of several classes are 1, -1 or 0 in (n, {classes}); got {y.dtype} {y.shape}.")
    elif y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise ProtocolError(f"labels are whole numbers (n,); got {y.dtype} {y.shape}.")
    elif y.min() < 0 or y.max() >= classes:
        raise ProtocolError(f"labels of {classes} classes are 0 to {classes - 1}; got {y.min()} to {y.max()}.")
    return np.ascontiguousarray(y, dtype=np.int64)
