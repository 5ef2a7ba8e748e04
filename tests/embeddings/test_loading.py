"""Loading: in order, a few at a time, in threads as alone, and a dying worker is told at once."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
import warnings
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repbench.datasets.items import DECODERS, EncodedItems, Items, decode_image
from repbench.embeddings import loading
from repbench.embeddings.extract import Work, distinct, extract
from repbench.embeddings.loading import PLAIN, Loader, Source
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower
from repbench.errors import DataError, EmbeddingError, UsageError


class Length:
    """A text as the vector of its length; one text kills the process that prepares it."""

    def __call__(self, text: str) -> Tensor:
        if text == "die" and multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.full((3,), float(len(text)))


def texts(*values: str) -> Items:
    return EncodedItems("text", [f"text {place}" for place in range(len(values))], [value.encode() for value in values])


def work(items: Items) -> Work:
    found = distinct([(items, range(len(items)))])
    address = Address(tower="f", view="plain", precision="fp32")
    return Work(address=address, view="plain", keys=tuple(found), places=tuple(found.values()))


def tower(prepare: Any, module: nn.Module | None = None) -> Tower:
    return Tower(prepare=prepare, module=module or nn.Identity(), dim=3, fingerprint="f")


class Leaving(Length):
    """A library that ends the process, as if all were well."""

    def __call__(self, text: str) -> Tensor:
        if text == "die" and multiprocessing.parent_process() is not None:
            os._exit(0)
        return super().__call__(text)


@pytest.mark.parametrize(("workers", "prepare"), [(1, Length()), (3, Length()), (2, Leaving())])
def test_a_worker_that_dies_is_a_clear_error_within_seconds(tmp_path: Path, workers: int, prepare: Length) -> None:
    items = texts(*(f"text {place}" for place in range(40)), "die", *("x" * place for place in range(30)))
    wanted = work(items)
    began = time.monotonic()
    with pytest.raises(EmbeddingError, match=r"loader processes died .* --workers 0"):
        extract(wanted, tower(prepare), Shelf(tmp_path, wanted.address), ExtractOptions(workers=workers, batch_size=8))
    assert time.monotonic() - began < 15
    assert not multiprocessing.active_children()


class Hanging(Length):
    """It never comes back from one text."""

    def __call__(self, text: str) -> Tensor:
        if text == "hang" and multiprocessing.parent_process() is not None:
            time.sleep(1000)
        return super().__call__(text)


def hanging() -> Work:
    return work(texts(*(f"text {place}" for place in range(20)), "hang", *("x" * place for place in range(10))))


def test_an_item_on_which_a_worker_hangs_is_named(tmp_path: Path) -> None:
    wanted, options = hanging(), ExtractOptions(workers=2, batch_size=8, item_timeout=1)
    with pytest.raises(DataError, match=r"text 20: it was not loaded within 1 seconds \(--item-timeout\)"):
        extract(wanted, tower(Hanging()), Shelf(tmp_path, wanted.address), options)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("on_bad_item", ["fail", "skip"])
def test_a_run_waits_for_no_worker_for_ever_and_skips_nothing_that_it_was_not_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_bad_item: str
) -> None:
    assert 60 <= loading.PATIENCE <= 3600
    monkeypatch.setattr(loading, "PATIENCE", 1)
    wanted, options = hanging(), ExtractOptions(workers=2, batch_size=8, on_bad_item=on_bad_item)
    began = time.monotonic()
    with pytest.raises(EmbeddingError, match=r"not loaded text 20, text 21, .* within 1 seconds .*--item-timeout"):
        extract(wanted, tower(Hanging()), Shelf(tmp_path, wanted.address), options)
    assert time.monotonic() - began < 15
    assert not multiprocessing.active_children()


def test_a_worker_that_never_begins_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PATIENCE", 1)
    monkeypatch.setattr(loading, "_begin", lambda source: time.sleep(1000))  # a process that was forked in the wrong moment
    wanted = work(texts("a"))
    source = Source(keys=wanted.keys, places=wanted.places, prepares=[Length()], seed=0)
    with pytest.raises(EmbeddingError, match="not loaded anything within 1 seconds"):
        Loader(source, ExtractOptions(workers=1, item_timeout=100))
    with (
        pytest.raises(EmbeddingError, match="not loaded text 0 within 1 seconds"),
        Loader(source, ExtractOptions(workers=1)) as loader,
    ):
        list(loader.groups([(0, ("plain",))], 1))
    assert not multiprocessing.active_children()


def test_the_time_for_which_a_run_is_stopped_is_not_a_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(futures: object, timeout: float) -> SimpleNamespace:  # each look is an hour late
        looks.append(timeout)
        return SimpleNamespace(done=set())

    looks: list[float] = []
    monkeypatch.setattr(loading, "wait", stopped)
    assert not loading._is_done(Future(), 12)
    assert looks == [5, 5, 2]


def test_an_item_on_which_a_worker_hangs_can_be_skipped_and_all_others_are_embedded_in_order(tmp_path: Path) -> None:
    wanted, options = hanging(), ExtractOptions(workers=2, batch_size=8, item_timeout=1, on_bad_item="skip")
    shelf = Shelf(tmp_path, wanted.address)
    skipped = extract(wanted, tower(Hanging()), shelf, options)
    assert list(skipped) == [wanted.keys[20]] == shelf.missing(wanted.keys)
    others = [key for key in wanted.keys if key not in skipped]
    assert shelf.rows(others)[:, 0, 0].tolist() == [*(len(f"text {place}") for place in range(20)), *range(10)]


@pytest.mark.parametrize(("timeout", "workers"), [(1.0, 0), (0.0, 2), (-1.0, 2), (float("nan"), 2)])
def test_a_time_that_cannot_be_kept_is_told(timeout: float, workers: int) -> None:
    with pytest.raises(UsageError, match=r"--item-timeout is .* expected seconds above 0"):
        ExtractOptions(item_timeout=timeout, workers=workers)


def greedy(data: bytes) -> str:
    if data == b"much":
        limit = 1 << 33
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        bytearray(1 << 40)
    return data.decode()


def test_memory_that_runs_out_in_a_worker_is_told_and_its_item_is_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DECODERS, "text", greedy)
    wanted = work(texts("a", "b", "much", "c"))
    options = ExtractOptions(workers=1, on_bad_item="skip")
    with pytest.raises(EmbeddingError, match=r"memory ran out while items were loaded.*--workers 0"):
        extract(wanted, tower(Length()), Shelf(tmp_path, wanted.address), options)


def test_a_worker_that_is_killed_from_outside_is_told_too(tmp_path: Path) -> None:
    class Slow(Length):
        def __call__(self, text: str) -> Tensor:
            time.sleep(0.05)
            return super().__call__(text)

    def kill() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(children[0].pid or 0, signal.SIGKILL)

    wanted = work(texts(*("y" * place for place in range(200))))
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EmbeddingError, match="died"):
        extract(wanted, tower(Slow()), Shelf(tmp_path, wanted.address), ExtractOptions(workers=2, batch_size=4))
    killer.join()


class Counting(Items):
    """Texts that count how many were loaded and have not gone through the network yet."""

    def __init__(self, count: int) -> None:
        super().__init__("text", [str(place) for place in range(count)])
        self.loaded, self.embedded, self.most = 0, 0, 0
        self.lock = threading.Lock()

    def content(self, place: int) -> bytes:
        return f"text {place}".encode()

    def load(self, place: int) -> Any:
        with self.lock:
            self.loaded += 1
            self.most = max(self.most, self.loaded - self.embedded)
        return super().load(place)


class Passing(nn.Module):
    def __init__(self, items: Counting) -> None:
        super().__init__()
        self.items = items

    def forward(self, inputs: Tensor) -> Tensor:
        self.items.embedded += len(inputs)
        return inputs


def test_few_items_are_held_at_once_however_many_there_are(tmp_path: Path) -> None:
    items = Counting(3000)
    wanted = work(items)
    extract(wanted, tower(Length(), Passing(items)), Shelf(tmp_path, wanted.address), ExtractOptions(batch_size=16))
    assert items.loaded == 3000
    assert items.most <= 2 * 16


def test_threads_load_in_order() -> None:
    items = texts(*("z" * place for place in range(50)))
    source = Source(keys=items.keys, places=[(items, place) for place in range(50)], prepares=[Length()], seed=0)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with Loader(source, ExtractOptions()) as loader:
            groups = list(loader.groups([(place, (PLAIN,)) for place in range(50)], 8))
    finally:
        torch.set_num_threads(before)
    assert [len(group) for group in groups] == [8] * 6 + [2]
    assert [loaded.inputs[PLAIN][0, 0] for group in groups for loaded in group] == list(range(50))


def test_a_preparation_that_fails_is_an_error_that_names_the_item(tmp_path: Path) -> None:
    def prepare(text: str) -> Tensor:
        raise IndexError("no such token")

    wanted = work(texts("a", "b"))
    with pytest.raises(EmbeddingError, match=r"text 0: the encoder's preparation failed \(IndexError: no such token\)"):
        extract(wanted, tower(prepare), Shelf(tmp_path, wanted.address), ExtractOptions())


def test_threads_that_decode_leave_the_filters_of_warnings_as_they_were() -> None:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.zeros((9, 9, 3), dtype=np.uint8)).save(stream, "PNG")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode_image(stream.getvalue()) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
