"""What a protocol is: a pure function of embeddings that gives one outcome per example and metrics with intervals.

No protocol opens a file, holds a model or draws a random number that is not derived from `seed`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.needs import AnyNeed
from repbench.errors import DeclarationError, ProtocolError

if TYPE_CHECKING:
    import pandas as pd

    from repbench.embeddings.embedded import Embeddings


LATER: Mapping[str, bool] = {"later": True}
"""Metadata of an option that a protocol learnt later: at its default it says nothing in a task's digest: results stay."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval (NaN bounds where no interval is known)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of one task for one encoder.

    `metrics` by name, `primary` the one that the leaderboard shows. `examples`: one row a test example with at least the
    columns id and score (its share of the primary metric where that is a mean over examples; for classification also
    prediction, truth). `chance` is what guessing scores on the primary metric (None where the notion has no meaning),
    `chances` on others, by name.
    `judges`: False for what only describes (the rank of a spectrum, the gap between modalities): it is shown, and takes no
    part in ranks, means and tests. `diagnostics`: convergence, chosen regularisation, tie rate, warnings; JSON-like.
    """

    primary: str
    metrics: Mapping[str, Estimate]
    examples: pd.DataFrame
    chance: float | None
    higher_is_better: bool = True
    judges: bool = True
    chances: Mapping[str, float] = field(default_factory=dict)
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


class Protocol(typing.Protocol):
    """A frozen dataclass of its options, in a file of `protocols/` that has its name.

    One whose class attribute `costly` is True takes hours for each encoder: patterns that match other tasks too leave it out.
    One whose class attribute `reads_logit` is True is given what the model itself makes of a cosine, where it says so.
    One whose class attribute `joins` names another protocol asks the same of other scores: patterns for that one mean it too.
    """

    version: ClassVar[int]  # raised when the same embeddings would give another number

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why this protocol cannot be asked of this dataset, or an empty text when it can. A plug-in may leave it out."""
        ...

    def needs(self, dataset: DatasetDeclaration) -> tuple[AnyNeed, ...]:
        """The embeddings and pair scores that it asks for, or the network itself where it trains one."""
        ...

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Outcome on the test splits of `got`. Raises ProtocolError where the data cannot be scored."""
        ...


def why_not(protocol: Protocol, dataset: DatasetDeclaration) -> str:
    """Why a protocol cannot be asked of a dataset, by its own words or for want of a split or column; empty when it can.

    Raises DeclarationError where its `fits` or `needs` fails: nobody would look for a task that a mistake hides.
    """
    try:
        own = protocol.fits(dataset) if hasattr(protocol, "fits") else ""
        return own or _lacks(protocol.needs(dataset), dataset)
    except Exception as error:
        raise DeclarationError(
            f"{inspect.getfile(type(protocol))}: `fits` or `needs` failed on the dataset {dataset.name!r}"
            f" ({type(error).__name__}: {error}). If it cannot be asked of it, return from `fits` a text that says why."
        ) from error


def _lacks(needs: Iterable[AnyNeed], dataset: DatasetDeclaration) -> str:
    derived = [name for name in ("prompts", "captions") if getattr(dataset, name) is not None]
    for need in needs:
        for split in need.splits:
            if split not in (*dataset.split_names, *derived):
                return f"{dataset.name} has no split {split!r}; it has {', '.join((*dataset.split_names, *derived))}."
            missing = [name for name in need.columns if split not in derived and name not in dataset.columns]
            if missing:
                return f"{dataset.name} has no column {missing[0]!r} of media; it has {', '.join(dataset.columns)}."
    return ""


def checked(outcome: object) -> Outcome:
    """What a protocol's `score` returned. Raises ProtocolError where it is no outcome, or one without its primary metric."""
    if not isinstance(outcome, Outcome):
        raise ProtocolError(f"`score` returned {type(outcome).__name__}; a protocol returns repbench.protocol.Outcome.")
    if outcome.primary not in outcome.metrics:
        raise ProtocolError(f"the primary metric {outcome.primary!r} is none of {', '.join(outcome.metrics) or 'no metrics'}.")
    return outcome
