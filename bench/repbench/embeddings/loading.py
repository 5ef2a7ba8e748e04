"""Loading: items are decoded, viewed and prepared in threads or in processes, a group at a time and in order.

On a CPU the threads rest while the network runs, and the network while they load: both want all cores, and taking turns costs
less than sharing does. Beside an accelerator the next groups are loaded meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

from repbench.datasets.items import Items
from repbench.embeddings.decoded import Decoded
from repbench.embeddings.forward import finishes_batches
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.views import variants
from repbench.errors import DataError, EmbeddingError, RepbenchError

AHEAD = 2  # groups that are loaded while the network works on another one
SLICE = 4  # items that are handed to a thread or process at once: handing over costs as much as a small image
MOST_THREADS = 16
PATIENCE = 600.0  # seconds that a loader process may take for a few items, or to begin, before the run gives it up
LOOK = 5.0  # seconds between two looks
_WITH_FEWER = "What is done is stored; give the same command with fewer --workers, or with --workers 0 to load in this process."
Form = tuple[str, int]  # the view in which an item is wanted, and by which of its source's preparations
PLAIN: Form = ("plain", 0)
Wanted = tuple[int, tuple[Form, ...]]  # index of an item in its source, and the forms in which it is wanted
_ONE_AT_A_TIME = threading.Lock()  # for preparations that are not known to bear threads


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The model inputs of one item by form, uint8 or float (variants, ...), or the reason why there are none."""

    key: str
    inputs: dict[Form, np.ndarray] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where items are (`keys` and `places`, n each) and the ways in which they are prepared. Loader processes get a copy.

    Of several ways each leaves the picture that it is given as it was (`prepared_together`). `decoded` is what other encoders
    left decoded, and takes what is decoded here; for threads alone.
    """

    keys: Sequence[str]
    places: Sequence[tuple[Items, int]]
    prepares: Sequence[Callable[[Any], torch.Tensor]]
    seed: int
    decoded: Decoded | None = None

    def load_all(self, wanted: Sequence[Wanted]) -> list[Loaded]:
        """Several items, in order."""
        return [self.load(index, forms) for index, forms in wanted]

    def load(self, index: int, forms: tuple[Form, ...]) -> Loaded:
        """One item, decoded once, in each of `forms`. The first of them is what is asked for and must succeed."""
        key, (items, place) = self.keys[index], self.places[index]
        raw = cache(lambda: items.load(place))
        pictures = cache(lambda view: self._viewed(raw, key, view))
        try:
            items.check(place, key)
            pictures(forms[0][0])
        except DataError as error:
            return Loaded(key=key, reason=str(error))
        found = {forms[0]: self._prepared(pictures(forms[0][0]), forms[0], items.names[place])}
        for form in forms[1:]:
            with contextlib.suppress(RepbenchError):  # it is told to those who ask for that form in the first place
                found[form] = self._prepared(pictures(form[0]), form, items.names[place])
        return Loaded(key=key, inputs=found)

    def _viewed(self, raw: Callable[[], Any], key: str, view: str) -> list[Any]:
        """The variants of an item in a view. Raises what decoding it raises."""
        kept = self.decoded.take(key, view, self.seed) if self.decoded is not None else None
        if kept is not None:
            return kept
        made = variants(raw(), key, view, self.seed)
        if self.decoded is not None:
            self.decoded.keep(key, view, self.seed, made)
        return made

    def _prepared(self, pictures: Sequence[Any], form: Form, name: str) -> np.ndarray:
        """The inputs of all variants, stacked; only pixels where the preparation can finish a whole batch later."""
        prepare = self.prepares[form[1]]
        try:
            if finishes_batches(prepare):
                return np.stack([prepare.pixels(one).numpy() for one in pictures])
            with _ONE_AT_A_TIME:
                return np.stack([prepare(one).numpy() for one in pictures])
        except RepbenchError:
            raise
        except Exception as error:  # a user's preparation may raise anything
            raise EmbeddingError(f"{name}: the encoder's preparation failed ({type(error).__name__}: {error}).") from error


@dataclass
class _Part:
    """Some items on their way through a thread or process."""

    wanted: Sequence[Wanted]
    future: Future[list[Loaded]]


class Loader:
    """Loads items of one source; a context, for its threads or processes end with it."""

    def __init__(self, source: Source, options: ExtractOptions) -> None:
        self._source, self._workers, self._timeout = source, options.workers, options.item_timeout
        self._ahead = 0 if options.device == "cpu" and not options.workers else AHEAD
        self._threads = _threads(options.device)
        self._load: Callable[[Sequence[Wanted]], list[Loaded]] = _load_all if options.workers else source.load_all
        self._pool = self._begin_pool()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def groups(self, wanted: Sequence[Wanted], size: int) -> Iterator[list[Loaded]]:
        """The items `wanted`, `size` at a time and in order; few groups are held at once.

        An item on which a loader process hangs longer than the `item_timeout` comes with that as its reason. Raises
        EmbeddingError when a loader process dies, memory runs out in it, or, where there is no `item_timeout`, it hangs.
        """
        waiting: deque[list[_Part]] = deque()
        step = SLICE if self._timeout is None else 1  # so that it is known which item hangs
        try:
            for start in range(0, len(wanted), size):
                group = wanted[start : start + size]
                waiting.append([self._begin_part(group[at : at + step]) for at in range(0, len(group), step)])
                if len(waiting) > self._ahead:
                    yield self._first(waiting)
            while waiting:
                yield self._first(waiting)
        except BrokenProcessPool as error:
            raise EmbeddingError(
                f"one of {self._workers} loader processes died (killed, perhaps for want of memory). {_WITH_FEWER}"
            ) from error
        except MemoryError as error:
            raise EmbeddingError(f"memory ran out while items were loaded. {_WITH_FEWER}") from error

    def _first(self, waiting: deque[list[_Part]]) -> list[Loaded]:
        """The items of the group that waits longest."""
        parts = waiting.popleft()
        found: list[Loaded] = []
        for place, part in enumerate(parts):
            if not self._workers or _is_done(part.future, self._timeout or PATIENCE):  # a thread that hangs cannot be ended
                found += part.future.result()
            elif self._timeout is None:
                raise self._stuck([self._source.places[index] for index, _ in part.wanted])
            else:
                found.append(self._hung(part.wanted[0][0]))
                self._begin_again([*parts[place + 1 :], *(later for group in waiting for later in group)])
        return found

    def _hung(self, index: int) -> Loaded:
        items, place = self._source.places[index]
        reason = f"{items.names[place]}: it was not loaded within {self._timeout:g} seconds (--item-timeout)."
        return Loaded(key=self._source.keys[index], reason=reason)

    def _begin_again(self, parts: Sequence[_Part]) -> None:
        """End all processes, and load in new ones what is not loaded yet."""
        self._end_pool()
        self._pool = self._begin_pool()
        for part in parts:
            if part.future.cancelled() or part.future.exception() is not None:
                part.future = self._pool.submit(self._load, part.wanted)

    def _end_pool(self) -> None:
        """End all processes, for one hangs and may not be asked to end."""
        for process in list(getattr(self._pool, "_processes", None) or {}):
            os.kill(process, signal.SIGKILL)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _stuck(self, places: Sequence[tuple[Items, int]]) -> EmbeddingError:
        """Of a loader process that hangs: the error that tells it. All processes are ended."""
        self._end_pool()
        names = ", ".join(items.names[place] for items, place in places)
        return EmbeddingError(
            f"a loader process has not loaded {names or 'anything'} within {PATIENCE:g} seconds and is given up. --item-timeout"
            f" SECONDS tells which item it is, or gives it longer; with --on-bad-item skip that item is left out. {_WITH_FEWER}"
        )

    def _begin_part(self, wanted: Sequence[Wanted]) -> _Part:
        return _Part(wanted, self._pool.submit(self._load, wanted))

    def _begin_pool(self) -> Executor:
        if not self._workers:
            return ThreadPoolExecutor(self._threads)
        self._pool = ProcessPoolExecutor(self._workers, initializer=_begin, initargs=(self._source,))
        if self._timeout is not None:
            begun = self._pool.submit(_load_all, ())  # the start of a process is not the time of an item
            if not _is_done(begun, PATIENCE):
                raise self._stuck([])
            begun.result()
        return self._pool


def _is_done(future: Future[Any], seconds: float) -> bool:
    """Wait at most so long. The time for which the run itself is stopped (Ctrl-Z) counts as one look at most."""
    left = seconds
    while left > 0:
        if wait([future], timeout=min(left, LOOK)).done:
            return True
        left -= LOOK
    return False


def _threads(device: str) -> int:
    return torch.get_num_threads() if device == "cpu" else min(MOST_THREADS, len(os.sched_getaffinity(0)))


_source: Source  # of this loader process


def _begin(source: Source) -> None:
    global _source
    _source = source
    torch.set_num_threads(1)  # the processes are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the one that began this ends it


def _load_all(wanted: Sequence[Wanted]) -> list[Loaded]:
    return _source.load_all(wanted)
