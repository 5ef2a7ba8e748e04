"""What every source gives: one table a split, with labels as they lie there. `open.py` makes a dataset of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repbench.datasets.items import Items


@dataclass(frozen=True, kw_only=True)
class RawSplit:
    """One split as its source has it. `label` holds class names (str) or numbers (int) into `class_names`, (n,).

    Where examples can be of several classes it is int (n, classes): 1 there, -1 not there, 0 only as difficult objects.
    """

    ids: np.ndarray
    label: np.ndarray
    columns: Mapping[str, np.ndarray]
    media: Mapping[str, Items]
    frame: np.ndarray | None = None  # int (n,): which frame of its sound an example is, where examples are moments of sounds


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    """The splits of one source; `class_names` in label order where the source knows them. `place` in words.

    `folder` is that of the published files, where the source reads them as they were published; `deviations` are what the
    source itself knows to differ from the published data.
    """

    splits: Mapping[str, RawSplit]
    class_names: tuple[str, ...] | None
    place: str
    folder: Path | None = None
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A source that is not on this machine, or only in part: what was looked for, and where parts of it lie already."""

    looked_for: Path | str
    how_to_get: str = ""
    begun: Path | None = None
