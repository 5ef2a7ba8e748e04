"""Memory: a run keeps what a layer has freed, so that the next one need not fetch it anew."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from repbench.measure.heap import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_large_tensors_come_from_kept_memory_after_a_while() -> None:
    keep_freed_memory()
    for _ in range(20):  # the heap grows
        torch.ones(5_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(5_000_000)  # 20 MB: nearly 5,000 pages each
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5_000
