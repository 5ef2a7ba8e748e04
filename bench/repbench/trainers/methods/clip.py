"""CLIP: images and their captions find each other in a batch (Radford et al. 2021, arXiv 2103.00020).

With `image=packaged:...` or `text=packaged:...` that tower is locked and only a projection is trained behind it (LiT, Zhai et
al. 2022, arXiv 2111.07991).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.encoders.architectures import seeded
from repbench.encoders.heads import mlp
from repbench.encoders.small_text import SmallText, WordHashes
from repbench.trainers.augment import Views, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.captions import captions_of
from repbench.trainers.distributed import gather
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.locked import LockedTower
from repbench.trainers.method import Method, Parts, TrainedTower, full_precision, images_of
from repbench.trainers.settings import Defaults

HELP = "images and their captions find each other in a batch; towers can be locked (LiT)"
DEFAULTS = Defaults(epochs=40, batch_size=128, lr=1e-3, weight_decay=0.1)
HOTTEST = math.log(100)  # the logits' scale is clipped at 100 (section 2.5)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`image`, `text`: a spec of an encoder to lock, or "own" to train one; `caption`: the column that is read as text
    ("class" for names of classes); `width` of the shared space; views as elsewhere."""

    image: str = "own"
    text: str = "own"
    caption: str = "name"
    width: int = 128
    hidden: int = 0
    smallest: float = 0.5
    strength: float = 0.25
    flip: float = 0.5


@full_precision
def clip_loss(image: Tensor, text: Tensor, log_scale: Tensor, caption: Tensor) -> Tensor:
    """½ (CE of rows + CE of columns) of logits exp(s) · Î T̂ᵀ over n pairs (n, d) (figure 3 of the paper).

    Where several pairs of a batch have the same `caption`, int (n,), the target is shared out among them.
    """
    logits = log_scale.exp() * functional.normalize(image, dim=1) @ functional.normalize(text, dim=1).T
    same = (caption[:, None] == caption[None]).to(logits.dtype)
    target = same / same.sum(1, keepdim=True)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


class TextEncoder(nn.Module):
    """The small text tower and its projection."""

    def __init__(self, seed: int, head: tuple[int, ...]) -> None:
        super().__init__()
        with seeded(seed):
            self.network = SmallText()
        self.head = mlp((self.network.places.shape[1], *head), norm=False)
        self.widths = [self.network.places.shape[1], *head]
        self.prepare = WordHashes()

    def forward(self, numbers: Tensor) -> Tensor:
        """Projections (n, d) of tokens (n, length)."""
        projected: Tensor = self.head(self.network(numbers))
        return projected

    def tower(self) -> TrainedTower:
        """What is exported."""
        facts = {
            "architecture": "small:text",
            "preprocess": asdict(self.prepare),
            "head": {"widths": self.widths, "norm": False, "last_norm": False},
            "embedding": "projection",
        }
        return TrainedTower(network=self.network, head=self.head, facts=facts)


class CLIP(Method):
    """An image tower and a text tower, each own or locked, with projections into one space and a learnt temperature."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        self.images, self.texts = images_of(parts), captions_of(parts.split, options.caption)
        numbers = {text: number for number, text in enumerate(dict.fromkeys(self.texts))}
        self.caption = [numbers[text] for text in self.texts]
        head = (options.hidden, options.width) if options.hidden else (options.width,)
        self.image = (
            ImageEncoder(parts.settings, head, norm=False)
            if options.image == "own"
            else LockedTower(options.image, "image", self.images, head)
        )
        self.text = (
            TextEncoder(parts.settings.seed, head)
            if options.text == "own"
            else LockedTower(options.text, "text", self.texts, head)
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        size = self.image.size if isinstance(self.image, ImageEncoder) else 1
        self.augment = Views(size=size, smallest=options.smallest, strength=options.strength, flip=options.flip, grey=0.0)

    def example(self, place: int) -> Example:
        """A view and its caption; of a locked tower the stored feature."""
        image, text = self.image, self.text
        return {
            "image": image.features[place] if isinstance(image, LockedTower) else pixels(self.augment(self.images[place])),
            "text": text.features[place] if isinstance(text, LockedTower) else text.prepare(self.texts[place]),
            "caption": torch.tensor(self.caption[place]),
        }

    def forward(self, batch: Batch) -> Tensor:
        """The loss over the batches of all processes."""
        image, text = gather(self.image(batch["image"])), gather(self.text(batch["text"]))
        return clip_loss(image, text, self.log_scale, gather(batch["caption"]))

    def end_step(self, progress: float) -> None:
        """The scale stays at or below 100."""
        with torch.no_grad():
            self.log_scale.clamp_(max=HOTTEST)

    def logit_scale(self) -> float:
        """exp(s), learnt."""
        return float(self.log_scale.detach().float().exp())

    def towers(self) -> Mapping[str, TrainedTower]:
        """Both towers, embedding behind their projections."""
        image = self.image.tower("projection") if isinstance(self.image, ImageEncoder) else self.image.tower()
        return {"image": image, "text": self.text.tower()}


METHOD = CLIP
