"""A pretrained tower that stays as it is: its features are computed once, and only a projection is trained behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.encoders.heads import mlp
from repbench.encoders.load import load_encoder
from repbench.encoders.lockable import check_lockable
from repbench.errors import UsageError
from repbench.trainers.method import TrainedTower

BATCH = 64


class LockedTower(nn.Module):
    """The features (n, dim) of a split's items, of unit length, and a head behind them."""

    def __init__(self, spec: str, modality: str, items: Any, head: Sequence[int]) -> None:
        super().__init__()
        check_lockable(spec)
        towers = load_encoder(spec).towers
        if modality not in towers:
            raise UsageError(f"{modality}={spec}: this encoder has no {modality} tower; it has {', '.join(towers)}.")
        self.spec = spec
        tower = towers[modality]
        self.features = embedded(tower.module, tower.prepare, items)
        self.widths = [tower.dim, *head]
        self.head = mlp(self.widths, norm=False)

    def forward(self, features: Tensor) -> Tensor:
        """Projections of stored features."""
        projected: Tensor = self.head(features)
        return projected

    def tower(self) -> TrainedTower:
        """The projection, and the spec of what lies before it."""
        facts = {
            "architecture": f"locked {self.spec}",
            "preprocess": {},
            "head": {"widths": self.widths, "norm": False, "last_norm": False},
            "embedding": "projection",
        }
        return TrainedTower(network=nn.Identity(), head=self.head, facts=facts)


@torch.no_grad()
def embedded(module: nn.Module, prepare: Any, items: Any) -> Tensor:
    """Features of unit length (n, dim) of all items; equal texts are embedded once."""
    places = range(len(items))
    keys = [items[place] if isinstance(items[place], str) else place for place in places]
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    distinct = list(first)
    blocks = [
        module(torch.stack([prepare(items[first[key]]) for key in distinct[start : start + BATCH]]))
        for start in range(0, len(distinct), BATCH)
    ]
    row = {key: place for place, key in enumerate(distinct)}
    return functional.normalize(torch.cat(blocks)[[row[key] for key in keys]], dim=1)
