"""The image encoder that a method trains, with its projection head, and what is written down of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from repbench.encoders.architectures import build
from repbench.encoders.heads import mlp
from repbench.encoders.small_fusion import tokens_of
from repbench.encoders.surgery import set_input_size
from repbench.trainers.method import TrainedTower, scaled
from repbench.trainers.settings import TrainSettings


class ImageEncoder(nn.Module):
    """A network from images to features (n, width), and behind it a head to embeddings (n, last of `head`)."""

    def __init__(
        self, settings: TrainSettings, head: tuple[int, ...] = (), *, norm: bool = True, last_norm: bool = False
    ) -> None:
        super().__init__()
        blueprint = build(settings.arch, seed=settings.seed)
        self.architecture = blueprint.architecture
        size = settings.size or blueprint.preprocess.size
        self.preprocess = replace(blueprint.preprocess, size=size, resize=size)
        set_input_size(blueprint.network, size)
        self.network = blueprint.network.to(memory_format=torch.channels_last)
        self.width = feature_width(self.network, size)
        self.head_facts: dict[str, Any] | None = None
        self.head: nn.Module = nn.Identity()
        if head:
            self.head_facts = {"widths": [self.width, *head], "norm": norm, "last_norm": last_norm}
            self.head = mlp((self.width, *head), norm=norm, last_norm=last_norm)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.preprocess.size

    def features(self, pixels: Tensor) -> Tensor:
        """Features (n, width) of pixels uint8 (n, size, size, 3)."""
        features: Tensor = self.network(scaled(self.preprocess, pixels))
        return features

    def tokens(self, pixels: Tensor) -> Tensor:
        """The last map or the last tokens, (n, places, width), before they are pooled."""
        return tokens_of(self.network, scaled(self.preprocess, pixels))

    def forward(self, pixels: Tensor) -> Tensor:
        """Embeddings of pixels uint8 (n, size, size, 3)."""
        embeddings: Tensor = self.head(self.features(pixels))
        return embeddings

    def views(self, *views: Tensor) -> tuple[Tensor, ...]:
        """The embeddings of several views, computed in one pass."""
        embeddings: tuple[Tensor, ...] = self(torch.cat(views)).chunk(len(views))
        return embeddings

    def both_features(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """The features of two batches of pixels, computed in one pass."""
        features = self.features(torch.cat([first, second]))
        return features[: len(first)], features[len(first) :]

    def tower(self, embedding: str = "encoder") -> TrainedTower:
        """What is exported; `embedding` says what `trained:FILE` embeds with: "encoder", or "projection" with the head."""
        return TrainedTower(network=self.network, head=self.head if self.head_facts else None, facts=self.facts(embedding))

    def facts(self, embedding: str) -> Mapping[str, Any]:
        """The description from which `trained:FILE` builds the same networks."""
        return {
            "architecture": self.architecture,
            "preprocess": asdict(self.preprocess),
            "head": self.head_facts,
            "embedding": embedding,
        }


def feature_width(network: nn.Module, size: int) -> int:
    """How wide a network's feature is."""
    was = network.training
    with torch.no_grad():
        width = int(network.eval()(torch.zeros(1, 3, size, size)).shape[1])
    network.train(was)
    return width
