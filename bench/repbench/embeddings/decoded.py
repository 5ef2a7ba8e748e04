"""Decoded items that one encoder leaves to the next ones of a command, up to a number of bytes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from repbench.encoder import Sound

MOST_BYTES = 256 * 2**20
PIXEL = 4  # bytes that PIL keeps of a pixel in mode RGB


class Decoded:
    """Views of images and sounds by content key, shared by loader threads.

    What comes first stays: the encoders of a command want the same items in the same order, so what was not used for longest
    is what is wanted next. Every taker has copies of the images, for a user's preparation may change what it is given.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._room = most
        self._kept: dict[tuple[str, str, int], tuple[Any, ...]] = {}
        self._lock = threading.Lock()

    def take(self, key: str, view: str, seed: int) -> list[Any] | None:
        """The variants of an item in a view, or None where they are not kept."""
        kept = self._kept.get((key, view, seed))
        return None if kept is None else [one if isinstance(one, Sound) else one.copy() for one in kept]

    def keep(self, key: str, view: str, seed: int, variants: Sequence[Any]) -> None:
        """Keep copies of variants if there is room for them; texts are not worth it."""
        if not variants or isinstance(variants[0], str):
            return
        size = sum(_bytes(one) for one in variants)
        with self._lock:
            if size > self._room or (key, view, seed) in self._kept:
                return
            self._room -= size
            self._kept[key, view, seed] = tuple(one if isinstance(one, Sound) else one.copy() for one in variants)


def _bytes(item: Any) -> int:
    return int(item.samples.nbytes) if isinstance(item, Sound) else PIXEL * int(item.width) * int(item.height)
