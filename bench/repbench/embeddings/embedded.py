"""What a protocol is given: embeddings with their labels, as two types for two purposes.

`TuningSplit` is for fitting and choosing. `TestSplit` is for reporting: it has no attribute `label`, only `truth`, and no
function that fits or chooses accepts it, so a protocol cannot tune on what it reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from repbench.datasets.factors import Factor
from repbench.datasets.probe import Probe
from repbench.encoder import Logit

if TYPE_CHECKING:
    from repbench.embeddings.trainable import Trainable


@dataclass(frozen=True, kw_only=True)
class _EmbeddedSplit:
    x: np.ndarray  # float32 (n, dim), or (n, views, dim) for a view of several crops; see also embeddings/trainable.py
    ids: np.ndarray  # str (n,)
    columns: Mapping[str, np.ndarray]  # every other column of the split, (n,) each
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> Self:
        """The rows of a mask, bool (n,), or at places, int (m,), with all that belongs to them."""
        own: dict[str, Any] = {
            one.name: getattr(self, one.name)[rows] for one in fields(self) if isinstance(getattr(self, one.name), np.ndarray)
        }
        return replace(self, columns={name: values[rows] for name, values in self.columns.items()}, **own)


@dataclass(frozen=True, kw_only=True)
class TuningSplit(_EmbeddedSplit):
    """Embeddings on which a protocol may fit and choose."""

    label: np.ndarray  # int64 (n,), index into class_names; or int8 (n, classes) of 1, -1, 0 (datasets/dataset.py)


@dataclass(frozen=True, kw_only=True)
class TestSplit(_EmbeddedSplit):
    """Embeddings on which a protocol reports. `truth` is for scoring only."""

    __test__ = False  # the name begins with "Test": tell pytest that it is none

    truth: np.ndarray  # as `label` of a TuningSplit
    clusters: np.ndarray | None = None  # str (n,): equal ones depend on each other and are drawn together


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The answers to a task's needs, apart by purpose, each in the order in which they were asked."""

    tuning: tuple[TuningSplit, ...]
    test: tuple[TestSplit, ...]
    metric: str  # the dataset's, one of datasets.declaration.METRICS; "" for a probe
    factors: tuple[str, ...] = ()  # the columns that the dataset declares as factors
    probe: Probe | None = None  # how a compositional probe is judged
    deviates: bool = False  # the copy is known to differ from the published data: classes may have lost all their examples
    reported: tuple[str, ...] = ()  # the names of the splits that `test` is made of
    model: Trainable | None = None  # for a task that needs a `TrainableModel`
    factor: Mapping[str, Factor] = field(default_factory=dict)  # what some of them are
    judged: Mapping[str, np.ndarray] = field(default_factory=dict)  # of `TextJudges`: rule -> float64 (n, captions), as test
    logit: Logit | None = None  # what the model itself makes of a cosine, for a protocol that `reads_logit`
    not_asked: Mapping[str, str] = field(default_factory=dict)  # rule -> why there are no scores of it
    device: str = "cpu"  # that of the run: where large fits are solved; it may change no number
