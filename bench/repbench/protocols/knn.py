"""Weighted k-nearest-neighbour classification (Wu et al. 2018), with DINO's k = 20 and temperature 0.07; and plain k = 1."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import Need
from repbench.measure import approximate, classification, neighbours
from repbench.outcomes import check_split, classification_outcome, estimates, single_label
from repbench.protocol import LATER, Outcome
from repbench.protocols._present import present_classes


@dataclass(frozen=True, kw_only=True)
class KNN:
    """The bank is train and validation together: nothing is chosen. `k` is clipped to its size.

    `index` "ivf" searches by an approximate index, for banks on which the exact search takes too long; the diagnostics tell its
    recall, and the record warns of it.
    """

    k: int = 20
    temperature: float = 0.07
    index: str = field(default=approximate.EXACT, metadata=LATER)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; expected at least 1.")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; expected a number above 0.")
        if self.index not in (approximate.EXACT, *approximate.INDEXES):
            accepted = ", ".join((approximate.EXACT, *approximate.INDEXES))
            raise ValueError(f"index is {self.index!r}; expected one of {accepted}.")

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: train or test is missing, there is one class only, or examples have several."""
        missing = [split for split in ("train", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        return single_label(dataset, "a vote") if dataset.class_count > 1 else f"{dataset.name} has one class only."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """The bank, and test."""
        bank = "train+val" if "val" in dataset.split_names else "train"
        return (
            Need(dataset=dataset.name, split=bank, column=dataset.medium),
            Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False),
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, one class only, values that are not finite, and as `present_classes`."""
        (bank,), (test,) = got.tuning, got.test
        check_split(bank, "bank (train + val)")
        check_split(test, "test")
        present = present_classes(bank.class_names, bank.label, "the bank (train + val)", may_lack=got.deviates)
        classes = len(test.class_names)
        similarities, rows, told = self._search(test.x, bank.x, seed)
        labels = bank.label[rows]
        nearest = classification.judge(
            neighbours.vote(similarities[:, :1], labels[:, :1], classes, self.temperature), test.truth
        )
        outcome = classification_outcome(
            neighbours.vote(similarities, labels, classes, self.temperature),
            test,
            got.metric,
            seed,
            train_label=bank.label,
            diagnostics={"k": rows.shape[1], "bank": len(bank), **told, **present.diagnostics},
            further={f"{name}-k1": one for name, one in estimates(nearest, test, seed).items()},
        )
        return replace(outcome, examples=outcome.examples.assign(**{"score at k1": nearest.credit}))

    def _search(self, queries: np.ndarray, bank: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Neighbours as of `neighbours.search`, and what the diagnostics tell of an approximate index."""
        if self.index == approximate.EXACT:
            return *neighbours.search(queries, bank, self.k), {}
        similarities, rows, told = approximate.search(queries, bank, self.k, self.index, seed)
        found = f"{told['recall']:.1%} of the exact ones are found, over {told['recall_queries']} of the queries"
        return similarities, rows, {"index": told, "warnings": [f"neighbours by an approximate index ({self.index}): {found}"]}
