"""Random numbers that depend on what they are for and on nothing else, so that a resumed run draws the same ones."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def seed_of(*parts: int | str) -> int:
    """A seed in [0, 2^63) made of the run's seed and of what is drawn: ("item", epoch, place), ("step", number), ..."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator_of(*parts: int | str) -> torch.Generator:
    """A generator on the CPU with the seed of `parts`."""
    return torch.Generator().manual_seed(seed_of(*parts))


def uniform_of(seeds: Tensor, count: int, purpose: str) -> Tensor:
    """Uniform numbers float32 (n, count), each row drawn from its item's own seed, int64 (n,): no batch changes them."""
    rows = [torch.rand(count, generator=generator_of(seed, purpose)) for seed in seeds.tolist()]
    return torch.stack(rows).to(seeds.device)
