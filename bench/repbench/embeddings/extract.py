"""Extraction: raw items are decoded, prepared and embedded once each, chunk by chunk, into the store.

Every forward pass has the same shape: the last batch is filled up by repeating an item, so that an embedding does not depend on
how many others were asked for. On CUDA, batches go over pinned memory without blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from repbench.datasets.items import Items
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.views import variants, view_size
from repbench.encoder import Tower
from repbench.errors import DataError, EmbeddingError, UsageError

CHUNK = 512  # distinct items a chunk: at most this much work is lost when a run is killed
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class ExtractOptions:
    """How to run the forward passes. None of it but `precision` may change a result."""

    device: str = "cpu"
    precision: str = "fp32"  # "fp32", or autocast to "bf16" or "fp16"
    batch_size: int = 64
    workers: int = 0  # loader processes; 0 decodes in this one
    seed: int = 0  # of random views
    on_bad_item: str = "fail"  # or "skip"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}.")
        if self.batch_size < 1:
            raise UsageError(f"--batch-size is {self.batch_size}; expected at least 1.")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; expected 0 or more.")
        if self.workers < 0:
            raise UsageError(f"--workers is {self.workers}; expected at least 0.")
        if self.on_bad_item not in ("fail", "skip"):
            raise UsageError(f"--on-bad-item is {self.on_bad_item!r}; expected fail or skip.")


@dataclass(frozen=True, kw_only=True)
class Work:
    """Distinct items that one tower is to embed in one view: n content keys and where each item can be loaded."""

    address: Address
    view: str
    keys: tuple[str, ...]
    places: tuple[tuple[Items, int], ...] = field(repr=False)


def distinct(places: Sequence[tuple[Items, Sequence[int]]]) -> dict[str, tuple[Items, int]]:
    """Key -> one place where it can be loaded, in first-seen order."""
    found: dict[str, tuple[Items, int]] = {}
    for items, wanted in places:
        keys = items.keys
        for place in wanted:
            found.setdefault(keys[place], (items, place))
    return found


def extract(
    work: Work, tower: Tower, shelf: Shelf, options: ExtractOptions, progress: Callable[[int], None] = lambda count: None
) -> dict[str, str]:
    """Embed what of `work` is not on the shelf yet. Returns the items that were skipped: key -> reason.

    `progress` is told how many more items are done. Raises DataError for an undecodable item unless they are to be skipped,
    and EmbeddingError when the tower fails.
    """
    check_device(options.device)
    module = tower.module.to(options.device)
    skipped: dict[str, str] = {}
    for start in range(0, len(work.keys), CHUNK):
        keys = work.keys[start : start + CHUNK]
        if shelf.missing(keys):
            with shelf.claim(keys):
                absent = set(shelf.missing(keys))
                wanted = [place for place, key in enumerate(keys) if key in absent]
                places = [(keys[place], *work.places[start + place]) for place in wanted]
                bad = _embed_chunk(places, work.view, tower, module, shelf, options)
                skipped |= bad
        progress(len(keys))
    return skipped


def check_device(device: str) -> None:
    """Raise UsageError if no tensor can be put on `device`."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {device!r} cannot be used ({str(error).splitlines()[0]}).") from error


def _embed_chunk(
    places: list[tuple[str, Items, int]],
    view: str,
    tower: Tower,
    module: torch.nn.Module,
    shelf: Shelf,
    options: ExtractOptions,
) -> dict[str, str]:
    bad: dict[str, str] = {}
    keys: list[str] = []
    rows: list[np.ndarray] = []
    waiting: list[tuple[str, torch.Tensor]] = []  # one entry a variant
    size = view_size(view)
    for key, prepared in _prepared(places, view, tower, options):
        if isinstance(prepared, str):
            if options.on_bad_item == "fail":
                raise DataError(f"{prepared} Use --on-bad-item skip to leave such items out; the record counts them.")
            bad[key] = prepared
            continue
        keys.append(key)
        waiting += [(key, tensor) for tensor in prepared]
        while len(waiting) >= options.batch_size:
            rows.append(_forward([tensor for _, tensor in waiting[: options.batch_size]], tower, module, options))
            waiting = waiting[options.batch_size :]
    if waiting:
        rows.append(_forward([tensor for _, tensor in waiting], tower, module, options))
    if keys:
        shelf.add(keys, np.concatenate(rows).reshape(len(keys), size, tower.dim))
    return bad


def _forward(tensors: list[torch.Tensor], tower: Tower, module: torch.nn.Module, options: ExtractOptions) -> np.ndarray:
    count = len(tensors)
    tensors = tensors + [tensors[-1]] * (options.batch_size - count)  # one shape for every pass
    try:
        batch = torch.stack(tensors)
        if options.device.startswith("cuda"):
            batch = batch.pin_memory()
        batch = batch.to(options.device, non_blocking=True)
        dtype = PRECISIONS[options.precision]
        with torch.inference_mode(), torch.autocast(options.device.split(":")[0], dtype=dtype, enabled=dtype is not None):
            out = module(batch)
    except torch.OutOfMemoryError as error:
        raise EmbeddingError(f"out of memory on {options.device}; try --batch-size {options.batch_size // 2}.") from error
    except (RuntimeError, ValueError, TypeError) as error:
        raise EmbeddingError(f"the encoder failed on a batch of shape {_shape(tensors)} ({error}).") from error
    if tuple(out.shape) != (options.batch_size, tower.dim):
        raise EmbeddingError(f"the encoder gave {tuple(out.shape)}; expected {(options.batch_size, tower.dim)}.")
    rows: np.ndarray = out[:count].float().cpu().numpy()
    return rows


def _shape(tensors: list[torch.Tensor]) -> str:
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    return " and ".join(map(str, shapes[:3]))


def _prepared(
    places: list[tuple[str, Items, int]], view: str, tower: Tower, options: ExtractOptions
) -> Iterator[tuple[str, list[torch.Tensor] | str]]:
    """Key and model inputs (one a variant), or key and the reason why there are none; in order."""
    source = _Source(places, view, tower.prepare, options.seed)
    if not options.workers:
        yield from (source[place] for place in range(len(source)))
        return
    loader = torch.utils.data.DataLoader(source, batch_size=None, num_workers=options.workers, prefetch_factor=16)
    yield from loader


class _Source(torch.utils.data.Dataset[Any]):
    """What loader workers run: decode, view, prepare."""

    def __init__(
        self, places: list[tuple[str, Items, int]], view: str, prepare: Callable[[Any], torch.Tensor], seed: int
    ) -> None:
        self._places, self._view, self._prepare, self._seed = places, view, prepare, seed

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> tuple[str, list[torch.Tensor] | str]:
        key, items, place = self._places[index]
        try:
            raw = items.load(place)
        except DataError as error:
            return key, str(error)
        return key, [self._prepare(variant) for variant in variants(raw, key, self._view, self._seed)]
