"""Several processes as one: torchrun starts them, batches are shared out, embeddings are gathered with their gradients."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
import torch.distributed.nn.functional
from torch import Tensor, nn


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """A block in which the processes that torchrun started are joined (gloo on CPUs, nccl on GPUs); nothing without it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def wait_for_all() -> None:
    """Return when all processes have come here."""
    if world_size() > 1:
        dist.barrier()


def gather(rows: Tensor) -> Tensor:
    """The rows (n, ...) of all processes, (world * n, ...), in the order of ranks; gradients flow back to where rows came from.

    Every process then computes the loss of the whole batch. Its gradient with respect to the gathered rows comes back summed
    over the processes, and the mean that data-parallel training takes of it is the gradient of one process alone.
    """
    if world_size() == 1:
        return rows
    return torch.cat(torch.distributed.nn.functional.all_gather(rows.contiguous()))  # type: ignore[no-untyped-call]


def wrap(method: nn.Module, device: torch.device) -> nn.Module:
    """The method under DistributedDataParallel when there are several processes; batch norms see the whole batch on GPUs."""
    if world_size() == 1:
        return method
    if device.type == "cuda":
        method = nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call]
    places = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(method, device_ids=places, broadcast_buffers=False)
