"""MAE: a transformer sees a quarter of the patches and paints the others (He et al. 2022, arXiv 2111.06377)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from repbench.errors import UsageError
from repbench.trainers.augment import crop_and_flip, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.method import Method, Parts, TrainedTower, full_precision, images_of, scaled
from repbench.trainers.seeds import uniform_of
from repbench.trainers.settings import Defaults

HELP = "a vision transformer sees a quarter of the patches and paints the others"
DEFAULTS = Defaults(arch="small:vit", epochs=60, batch_size=64, lr=1e-3, weight_decay=0.05)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`mask`: share of the patches that is hidden; decoder of `width` and `depth` (512 and 8 at scale); crops and flips."""

    mask: float = 0.75
    width: int = 64
    depth: int = 2
    smallest: float = 0.3
    flip: float = 0.5


def patches_of(images: Tensor, side: int) -> Tensor:
    """Patches (n, count, 3 · side²) of images (n, 3, size, size), row by row."""
    n, channels, size, _ = images.shape
    grid = size // side
    cut = images.reshape(n, channels, grid, side, grid, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(n, grid * grid, channels * side * side)


def hidden_patches(noise: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Places of the patches that stay, int (n, kept), and which are hidden, bool (n, count), from noise (n, count)."""
    kept = int(noise.shape[1] * (1 - share))
    stay = noise.argsort(1)[:, :kept]
    hidden = torch.ones_like(noise, dtype=torch.bool).scatter(1, stay, False)
    return stay, hidden


def check_share(name: str, share: float, count: int) -> None:
    """Raises UsageError where a share of `count` patches to hide leaves none, or hides a negative number."""
    if share < 0 or int(count * (1 - share)) < 1:
        raise UsageError(f"{name}={share:g} of {count} patches: at least one must stay, for example {name}=0.75.")


@full_precision
def mae_loss(painted: Tensor, patches: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error on hidden patches alone; each patch (n, count, d) is standardised first: (x - μ) / √(σ² + 1e-6)."""
    target = (patches - patches.mean(2, keepdim=True)) / (patches.var(2, keepdim=True) + 1e-6).sqrt()
    return (painted - target).square().mean(2)[hidden].mean()


class MAE(Method):
    """A vision transformer of timm, and a small decoder that is thrown away."""

    optimizer_options: Mapping[str, Any] = {"betas": (0.9, 0.95)}

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        self.encoder = ImageEncoder(parts.settings)
        vit = self.encoder.network
        if not isinstance(vit, VisionTransformer):
            raise UsageError(f"mae hides tokens of a vision transformer; --arch {parts.settings.arch} is none. Try small:vit.")
        self.images = images_of(parts)
        self.augment = crop_and_flip(self.encoder.size, smallest=options.smallest, flip=options.flip)
        self.options = options
        self.side = int(vit.patch_embed.patch_size[0])
        if self.encoder.size % self.side:
            raise UsageError(f"size={self.encoder.size} is no multiple of the {self.side} pixels of a patch.")
        count, width = int(vit.patch_embed.num_patches), options.width
        check_share("mask", options.mask, count)
        if int(count * (1 - options.mask)) == count:
            raise UsageError(f"mask={options.mask:g} hides none of {count} patches: nothing is left to paint; try mask=0.75.")
        self.into = nn.Linear(vit.embed_dim, width)
        self.blank = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, count, width) * 0.02)
        self.decoder = nn.Sequential(*(Block(width, max(1, width // 32)) for _ in range(options.depth)), nn.LayerNorm(width))
        self.paint = nn.Linear(width, 3 * self.side**2)

    def example(self, place: int) -> Example:
        """One crop, perhaps flipped."""
        return {"view": pixels(self.augment(self.images[place]))}

    def forward(self, batch: Batch) -> Tensor:
        """The error on the hidden patches; data-parallel training takes the mean over processes."""
        images = scaled(self.encoder.preprocess, batch["view"])
        noise = uniform_of(batch["seed"], self.places.shape[1], "mask").to(images.device)
        stay, hidden = hidden_patches(noise, self.options.mask)
        return mae_loss(self.painted(images, stay), patches_of(images, self.side), hidden)

    def painted(self, images: Tensor, stay: Tensor) -> Tensor:
        """All patches (n, count, 3 · side²) as the decoder paints them from those that stay."""
        tokens = self.into(encode_some(self.encoder.network, images, stay))
        prefix = tokens.shape[1] - stay.shape[1]
        index = stay.unsqueeze(2).expand(-1, -1, tokens.shape[2])
        blank = self.blank.to(tokens.dtype).expand(len(tokens), self.places.shape[1], -1)
        whole = blank.scatter(1, index, tokens[:, prefix:]) + self.places
        painted: Tensor = self.paint(self.decoder(torch.cat([tokens[:, :prefix], whole], 1))[:, prefix:])
        return painted

    def towers(self) -> Mapping[str, TrainedTower]:
        """The vision transformer."""
        return {"image": self.encoder.tower()}


def encode_some(vit: Any, images: Tensor, stay: Tensor) -> Tensor:
    """The last tokens (n, prefix + kept, dim) of a transformer of timm that sees only the patches `stay` (n, kept)."""
    tokens = vit._pos_embed(vit.patch_embed(images))
    prefix = vit.num_prefix_tokens
    index = stay.unsqueeze(2).expand(-1, -1, tokens.shape[2])
    seen = torch.cat([tokens[:, :prefix], tokens[:, prefix:].gather(1, index)], 1)
    output: Tensor = vit.norm(vit.blocks(vit.norm_pre(seen)))
    return output


METHOD = MAE
