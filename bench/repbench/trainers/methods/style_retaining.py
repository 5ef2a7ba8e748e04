"""Style-retaining SSL: one embedding invariant to every augmentation, and for each augmentation one that keeps what it changes.

Eastwood et al. 2023, "Self-Supervised Disentanglement by Leveraging Structure in Data Augmentations", arXiv 2311.08815.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.encoders.heads import SideBySide, mlp
from repbench.trainers.augment import pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.distributed import gather
from repbench.trainers.factors import FACTORS, apply, draw
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.method import Method, Parts, TrainedTower, full_precision, images_of
from repbench.trainers.settings import Defaults

HELP = "one embedding invariant to all augmentations, and one for each augmentation that keeps what it changes"
INVARIANT = "invariant"  # the space that keeps no augmentation; the others have the names of theirs
DEFAULTS = Defaults(epochs=30, batch_size=64, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`width` of each of the M + 1 embedding spaces, `hidden` width before it, `temperature` τ, weight of `alignment`."""

    width: int = 32
    hidden: int = 128
    temperature: float = 0.3
    alignment: float = 1.0


@full_precision
def style_loss(query: Tensor, keys: Tensor, temperature: float, alignment: float) -> Tensor:
    """Contrastive form (section 4 of the paper) for spaces m = 0 .. M of a query and its keys, (n, M + 1, d) each.

    Alignment: the mean over m of cos(query_m, key_m) / τ, where key m shares with the query the parameters of augmentation m
    alone (key 0: of none). Entropy: log-sum-exp over the batch of the cosines of all spaces together, their vectors
    concatenated and divided by √(M + 1); an item's own keys take part as in NT-Xent.
    """
    query, keys = functional.normalize(query, dim=2), functional.normalize(keys, dim=2)
    agreement = (query * keys).sum(2).mean(1) / temperature
    root = query.shape[1] ** 0.5
    joint, other = query.flatten(1) / root, keys.flatten(1) / root
    spread = torch.logsumexp(joint @ other.T / temperature, 1)
    return (spread - alignment * agreement).mean()


class StyleRetaining(Method):
    """An encoder and M + 1 heads. What is kept is the feature before the heads; all heads side by side are its projection,
    and each alone with `space=NAME`."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        self.encoder = ImageEncoder(parts.settings)
        spaces = len(FACTORS) + 1
        self.widths = [self.encoder.width, options.hidden, options.width]
        self.heads = nn.ModuleList(mlp(self.widths) for _ in range(spaces))
        self.images, self.options = images_of(parts), options

    def example(self, place: int) -> Example:
        """The query and M + 1 keys: in key m the parameters of augmentation m are the query's, all others drawn anew."""
        image, size = self.images[place], self.encoder.size
        query = {name: draw(name) for name in FACTORS}
        views = [pixels(apply(image, query, size))]
        for kept in (None, *FACTORS):
            drawn = {name: query[name] if name == kept else draw(name) for name in FACTORS}
            views.append(pixels(apply(image, drawn, size)))
        return {"views": torch.stack(views)}

    def forward(self, batch: Batch) -> Tensor:
        """The loss over the batches of all processes."""
        views = batch["views"]
        features = self.encoder(views.flatten(0, 1)).unflatten(0, views.shape[:2])  # (n, 1 + spaces, width)
        query = torch.stack([head(features[:, 0]) for head in self.heads], 1)
        keys = torch.stack([head(features[:, 1 + place]) for place, head in enumerate(self.heads)], 1)
        return style_loss(gather(query), gather(keys), self.options.temperature, self.options.alignment)

    def towers(self) -> Mapping[str, TrainedTower]:
        """The image encoder, and the heads with the names of their spaces."""
        head = {"widths": self.widths, "spaces": [INVARIANT, *FACTORS]}
        facts = {**self.encoder.facts("encoder"), "head": head}
        return {"image": TrainedTower(network=self.encoder.network, head=SideBySide(list(self.heads)), facts=facts)}


METHOD = StyleRetaining
