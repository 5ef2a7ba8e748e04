"""The caption of each example of a split: a column of it, or the name of its class."""

from __future__ import annotations

from repbench.datasets.dataset import Split
from repbench.errors import UsageError
from repbench.trainers.batches import column


def captions_of(split: Split, name: str) -> tuple[str, ...]:
    """One text an example, from the column `name` (of text, or of other values), or "class" for the names of classes."""
    if name == "class":
        if split.label.ndim != 1:
            raise UsageError("caption=class needs one class an example; here examples can be of several.")
        return tuple(split.class_names[place] for place in split.label)
    if name in split.media and split.media[name].modality == "text":
        return tuple(split.media[name].load(place) for place in range(len(split)))
    return tuple(str(value) for value in column(split, name))
