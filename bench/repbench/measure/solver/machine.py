"""What the machine gives a fit: threads, and memory on a device or, where that does not suffice, of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def with_room(attempt: Callable[[], T], on_cpu: Callable[[], T]) -> T:
    """What an attempt gives, or the same on the CPU where the memory of a device does not suffice for it."""
    import torch

    try:
        return attempt()
    except RuntimeError as error:
        if not wants_room(error):
            raise
    # Only here, where the error is gone, what the attempt held is free.
    torch.cuda.empty_cache()
    return on_cpu()


def wants_room(error: RuntimeError) -> bool:
    """Whether an error says that a device's memory did not suffice: torch's own, or that of a library of CUDA below it."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in ("ALLOC_FAILED", "out of memory"))


@contextmanager
def threads(small: bool) -> Iterator[None]:
    """One thread where a problem is too small to share, and as many as there are elsewhere."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
