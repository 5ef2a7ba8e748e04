"""What a task asks for: which embeddings, of which items, seen in which view; or a network to train, and on which items."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class OfItems:
    """What all needs have in common: the items of one column of one split.

    `split` may join several by "+" ("train+val"). The split "prompts" is the dataset's class prompts (column "text"), the split
    "captions" the texts about the images of test.
    `tuning` says what the data may be used for: True, a protocol may fit and choose on it; False, it may only report on it.
    """

    dataset: str
    split: str
    column: str
    tuning: bool = True

    @property
    def splits(self) -> tuple[str, ...]:
        """The single splits that make it up, in order."""
        return tuple(self.split.split("+"))


@dataclass(frozen=True, kw_only=True, order=True)
class Need(OfItems):
    """Embeddings, in one view. Equal needs of different tasks are the same embeddings."""

    view: str = "plain"  # see embeddings/views.py

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        return f"{self.column} of {self.split}, view {self.view}"


@dataclass(frozen=True, kw_only=True, order=True)
class TrainableModel(OfItems):
    """The encoder's network itself, to be trained on these items, or asked about them: see embeddings/trainable.py."""

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        return f"the network itself, on {self.column} of {self.split}"


AnyNeed = Need | TrainableModel
