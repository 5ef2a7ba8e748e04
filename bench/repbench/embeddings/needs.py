"""What a task asks for: which embeddings, of which items, seen in which view."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Need:
    """Embeddings of one column of one split, in one view. Equal needs of different tasks are the same embeddings.

    `split` may join several by "+" ("train+val"). The split "prompts" is the dataset's class prompts (column "text"), the split
    "captions" the texts about the images of test.
    `tuning` says what the data may be used for: True, a protocol may fit and choose on it; False, it may only report on it.
    """

    dataset: str
    split: str
    column: str
    view: str = "plain"  # see embeddings/views.py
    tuning: bool = True

    @property
    def splits(self) -> tuple[str, ...]:
        """The single splits that make it up, in order."""
        return tuple(self.split.split("+"))
