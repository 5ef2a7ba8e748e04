"""Views: what is done to a raw item before the encoder's own preprocessing.

"plain" is the item as it is. "two-crops" are two random augmentations of an image, the positive pair of contrastive
learning, with the settings of Wang & Isola (2020) on STL-10: random crop of 8 to 100 % of the area, resized to 64 px;
horizontal flip; colour jitter 0.4 on brightness, contrast, saturation and hue; grey with probability 0.2. "shuffled-words"
is a text with its words in another order. The random numbers are keyed by the content of the item, so that neither order nor
batch nor process changes a view.
"""

from __future__ import annotations

import threading
from functools import cache
from random import Random
from typing import Any

from repbench.errors import UnknownNameError, UsageError

VIEWS = {"plain": 1, "two-crops": 2, "shuffled-words": 1}  # name -> how many variants of an item it makes
VERSIONS = {"two-crops": 1, "shuffled-words": 1}  # raised when the same item would give another view
_GENERATOR = threading.Lock()  # the transforms draw from torch's one generator, which loader threads share


def view_size(view: str) -> int:
    """How many variants of an item a view makes. Raises UnknownNameError."""
    if view not in VIEWS:
        raise UnknownNameError("view", view, VIEWS)
    return VIEWS[view]


def view_address(view: str, seed: int) -> str:
    """What tells the embeddings of this view from those of others in the store: name, version and seed of its randomness."""
    view_size(view)
    return f"{view}-{VERSIONS[view]}-seed{seed}" if view in VERSIONS else view


def variants(item: Any, key: str, view: str, seed: int) -> list[Any]:
    """The variants of one raw item, in order. Raises UsageError for a view that the item's modality has not."""
    size = view_size(view)
    if view == "plain":
        return [item]
    if view == "shuffled-words":
        if not isinstance(item, str):
            raise UsageError(f"the view {view!r} is for texts; it was asked of a {type(item).__name__}.")
        return [shuffled_words(item, f"{key}/{seed}")]
    if not hasattr(item, "convert"):
        raise UsageError(f"the view {view!r} is for images; it was asked of a {type(item).__name__}.")
    return [_augment(item, key, seed, place) for place in range(size)]


def shuffled_words(text: str, key: str) -> str:
    """The words of a text in another order, drawn by `key`; the text itself where there is no other order."""
    words, random = text.split(), Random(key)
    if len(set(words)) < 2:
        return text
    drawn = list(words)
    while drawn == words:
        random.shuffle(drawn)
    return " ".join(drawn)


@cache
def _augmentation() -> Any:
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RandomResizedCrop((64, 64), scale=(0.08, 1.0), interpolation=v2.InterpolationMode.BICUBIC),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.4),
            v2.RandomGrayscale(0.2),
        ]
    )


def _augment(picture: Any, key: str, seed: int, place: int) -> Any:
    import torch

    with _GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed((int(key[:15], 16) * 1_000_003 + seed * 101 + place) % 2**63)
        return _augmentation()(picture)
