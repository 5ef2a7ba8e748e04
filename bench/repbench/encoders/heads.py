"""Projection heads: what self-supervised methods put behind the encoder while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def mlp(widths: Sequence[int], *, norm: bool = True, last_norm: bool = False) -> nn.Sequential:
    """Linear layers between `widths` with (batch norm and) ReLU between them; `last_norm` puts a batch norm at the end too."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(widths)):
        last = place == len(widths) - 2
        normed = last_norm if last else norm
        layers.append(nn.Linear(before, after, bias=not normed))
        if normed:
            layers.append(nn.BatchNorm1d(after))
        if not last:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
