"""Loading: items are decoded, viewed and prepared in threads or in processes, a group at a time and in order.

On a CPU the threads rest while the network runs, and the network while they load: both want all cores, and taking turns costs
less than sharing does. Beside an accelerator the next groups are loaded meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from repbench.datasets.items import Items
from repbench.embeddings.forward import finishes_batches
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.views import variants
from repbench.errors import DataError, EmbeddingError, RepbenchError

AHEAD = 2  # groups that are loaded while the network works on another one
SLICE = 4  # items that are handed to a thread or process at once: handing over costs as much as a small image
MOST_THREADS = 16
Wanted = tuple[int, tuple[str, ...]]  # index of an item in its source, and the views in which it is wanted
_ONE_AT_A_TIME = threading.Lock()  # for preparations that are not known to bear threads


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The model inputs of one item by view, uint8 or float (variants, ...), or the reason why there are none."""

    key: str
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where items are (`keys` and `places`, n each) and how they are prepared. Loader processes get a copy."""

    keys: Sequence[str]
    places: Sequence[tuple[Items, int]]
    prepare: Callable[[Any], torch.Tensor]
    seed: int

    def load_all(self, wanted: Sequence[Wanted]) -> list[Loaded]:
        """Several items, in order."""
        return [self.load(index, views) for index, views in wanted]

    def load(self, index: int, views: tuple[str, ...]) -> Loaded:
        """One item, decoded once, in each of `views`. The first of them is what is asked for and must succeed."""
        key, (items, place) = self.keys[index], self.places[index]
        try:
            raw = items.load(place)
        except DataError as error:
            return Loaded(key=key, reason=str(error))
        found = {views[0]: self._prepared(raw, key, views[0], items.names[place])}
        for view in views[1:]:
            with contextlib.suppress(RepbenchError):  # it is told to those who ask for that view in the first place
                found[view] = self._prepared(raw, key, view, items.names[place])
        return Loaded(key=key, inputs=found)

    def _prepared(self, raw: Any, key: str, view: str, name: str) -> np.ndarray:
        """The inputs of all variants, stacked; only pixels where the preparation can finish a whole batch later."""
        pictures = variants(raw, key, view, self.seed)
        try:
            if finishes_batches(self.prepare):
                return np.stack([self.prepare.pixels(one).numpy() for one in pictures])
            with _ONE_AT_A_TIME:
                return np.stack([self.prepare(one).numpy() for one in pictures])
        except RepbenchError:
            raise
        except Exception as error:  # a user's preparation may raise anything
            raise EmbeddingError(f"{name}: the encoder's preparation failed ({type(error).__name__}: {error}).") from error


class Loader:
    """Loads items of one source; a context, for its threads or processes end with it."""

    def __init__(self, source: Source, options: ExtractOptions) -> None:
        self._workers = options.workers
        self._ahead = 0 if options.device == "cpu" and not options.workers else AHEAD
        self._pool: Executor
        if options.workers:
            self._pool = ProcessPoolExecutor(options.workers, initializer=_begin, initargs=(source,))
            self._load: Callable[[Sequence[Wanted]], list[Loaded]] = _load_all
        else:
            self._pool = ThreadPoolExecutor(_threads(options.device))
            self._load = source.load_all

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def groups(self, wanted: Sequence[Wanted], size: int) -> Iterator[list[Loaded]]:
        """The items `wanted`, `size` at a time and in order; few groups are held at once.

        Raises EmbeddingError when a loader process dies.
        """
        waiting: deque[list[Future[list[Loaded]]]] = deque()
        try:
            for start in range(0, len(wanted), size):
                group = wanted[start : start + size]
                waiting.append([self._pool.submit(self._load, group[at : at + SLICE]) for at in range(0, len(group), SLICE)])
                if len(waiting) > self._ahead:
                    yield [loaded for future in waiting.popleft() for loaded in future.result()]
            while waiting:
                yield [loaded for future in waiting.popleft() for loaded in future.result()]
        except BrokenProcessPool as error:
            raise EmbeddingError(
                f"one of {self._workers} loader processes died (killed, perhaps for want of memory). What is done is stored;"
                " give the same command with fewer --workers, or with --workers 0 to load in this process."
            ) from error


def _threads(device: str) -> int:
    return torch.get_num_threads() if device == "cpu" else min(MOST_THREADS, len(os.sched_getaffinity(0)))


_source: Source  # of this loader process


def _begin(source: Source) -> None:
    global _source
    _source = source
    torch.set_num_threads(1)  # the processes are the parallelism


def _load_all(wanted: Sequence[Wanted]) -> list[Loaded]:
    return _source.load_all(wanted)
