"""Work shared out over threads, each with products of one thread: what follows a product is then shared out too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def share_out(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What the work makes of each item, in their order, on as many threads as torch is given. It should use NumPy alone.

    All is done when the last is taken; what was taken is held no longer.
    """
    import torch

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        yield from pool.map(work, items)
