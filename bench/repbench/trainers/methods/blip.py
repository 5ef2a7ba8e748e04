"""BLIP: contrast, matching with hard negatives, and captioning over one text transformer (Li et al. 2022, arXiv 2201.12086)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.encoders.architectures import seeded
from repbench.encoders.heads import mlp
from repbench.encoders.small_fusion import FusionText, map_places
from repbench.encoders.small_text import PAD, WordHashes
from repbench.errors import UsageError
from repbench.trainers.augment import Views, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.captions import captions_of
from repbench.trainers.distributed import gather
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.instances import Instances
from repbench.trainers.method import Method, Parts, TrainedTower, full_precision, images_of
from repbench.trainers.methods.clip import HOTTEST, clip_loss
from repbench.trainers.settings import Defaults

HELP = "contrast, matching with hard negatives and captioning over one text transformer; gives the scorers itm and lm"
DEFAULTS = Defaults(arch="small:vit", epochs=30, batch_size=64, lr=1e-3, weight_decay=0.05)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`caption`: the column that is read as text; `width` of the shared space; weights of matching and captioning; views.

    `pairs`: the column whose equal values belong together, so that each example brings another of its value into the batch:
    where their captions differ in little, the hard negatives that it draws are hard ("": examples come alone).
    """

    caption: str = "name"
    pairs: str = ""
    width: int = 128
    matching: float = 1.0
    captioning: float = 1.0
    smallest: float = 0.5
    strength: float = 0.25
    flip: float = 0.5


@full_precision
def hard_negatives(similarity: Tensor, caption: Tensor, choice: Tensor) -> Tensor:
    """For each row of similarities (n, n) one column of another caption, int (n,), drawn in proportion to its softmax.

    `choice` (n,) is uniform in [0, 1). A row whose captions are all its own gets any other column.
    """
    other = caption[:, None] != caption[None]
    allowed = torch.where(other.any(1, keepdim=True), other, ~torch.eye(len(caption), dtype=torch.bool, device=caption.device))
    share = similarity.masked_fill(~allowed, -torch.inf).softmax(1)
    return (share.cumsum(1) < choice[:, None]).sum(1).clamp(max=len(caption) - 1)


@full_precision
def matching_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """ITM: cross-entropy of (n, 2) logits with whether image and text belong together, int (n,) (section 3.2)."""
    return functional.cross_entropy(logits, truth)


@full_precision
def captioning_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """LM: mean -log p(token t + 1 | tokens ≤ t, image) over tokens (n, length) that are no padding, smoothed by .1 (3.2)."""
    follows = tokens[:, 1:].masked_fill(tokens[:, 1:] == PAD, -100)
    return functional.cross_entropy(logits[:, :-1].transpose(1, 2), follows, label_smoothing=0.1)


class BLIP(Method):
    """A vision transformer, a text transformer that reads alone, looks at the image (ITM), or writes (LM), and heads."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        self.images, self.texts = images_of(parts), captions_of(parts.split, options.caption)
        numbers = {text: number for number, text in enumerate(dict.fromkeys(self.texts))}
        self.caption = [numbers[text] for text in self.texts]
        self.instances = Instances(parts.split, options.pairs, "pairs") if options.pairs else None
        self.image = ImageEncoder(parts.settings, (options.width,), norm=False)
        if not callable(getattr(self.image.network, "forward_features", None)):
            raise UsageError(f"blip looks at tokens or maps of an image network; {parts.settings.arch} shows none.")
        with seeded(parts.settings.seed):
            self.text = FusionText(self.image.width, map_places(self.image.network, self.image.size))
        self.head = mlp((self.text.width, options.width), norm=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.prepare, self.options = WordHashes(), options
        self.augment = Views(
            size=self.image.size, smallest=options.smallest, strength=options.strength, flip=options.flip, grey=0.0
        )

    def example(self, place: int) -> Example:
        """A view and its caption, (1, ...), or those of two examples that belong together, (2, ...)."""
        places = [place] if self.instances is None else [place, self.instances.other(place)]
        made = [self._pair(one) for one in places]
        return {name: torch.stack([one[name] for one in made]) for name in made[0]}

    def _pair(self, place: int) -> Example:
        view = pixels(self.augment(self.images[place]))
        return {"image": view, "text": self.prepare(self.texts[place]), "caption": torch.tensor(self.caption[place])}

    def forward(self, batch: Batch) -> Tensor:
        """ITC over all processes + ITM and LM over this process's batch."""
        batch = {name: batch[name].flatten(0, 1) for name in ("image", "text", "caption")}
        tokens, seen = batch["text"], self.image.tokens(batch["image"])
        image, text = self.image.head(seen.mean(1)), self.head(self.text(tokens))
        contrast = clip_loss(gather(image), gather(text), self.log_scale, gather(batch["caption"]))
        matching = self._matching(image, text, seen, batch)
        writing = captioning_loss(self.text.write(tokens, seen), tokens)
        return contrast + self.options.matching * matching + self.options.captioning * writing

    def _matching(self, image: Tensor, text: Tensor, seen: Tensor, batch: Batch) -> Tensor:
        """Each pair, each image with a hard caption, each caption with a hard image: a third is true."""
        tokens, caption, n = batch["text"], batch["caption"], len(image)
        with torch.no_grad():
            unit = functional.normalize(image.float(), dim=1), functional.normalize(text.float(), dim=1)
            similarity = self.log_scale.exp() * unit[0] @ unit[1].T
            choice = torch.rand(2, n, device=image.device)
            wrong_text = hard_negatives(similarity, caption, choice[0])
            wrong_image = hard_negatives(similarity.T, caption, choice[1])
        logits = self.text.match(torch.cat([tokens, tokens[wrong_text], tokens]), torch.cat([seen, seen, seen[wrong_image]]))
        truth = torch.arange(3 * n, device=image.device) < n
        return matching_loss(logits, truth.long())

    def end_step(self, progress: float) -> None:
        """The scale stays at or below 100."""
        with torch.no_grad():
            self.log_scale.clamp_(max=HOTTEST)

    def logit_scale(self) -> float:
        """exp(s), learnt."""
        return float(self.log_scale.detach().float().exp())

    def towers(self) -> Mapping[str, TrainedTower]:
        """Both towers behind their projections; the text network holds what the scorers need."""
        facts = {
            "architecture": "small:fusion",
            "image width": self.image.width,
            "image places": 0 if self.text.image_places is None else len(self.text.image_places),
            "preprocess": asdict(self.prepare),
            "head": {"widths": [self.text.width, self.options.width], "norm": False, "last_norm": False},
            "embedding": "projection",
        }
        text = TrainedTower(network=self.text, head=self.head, facts=facts)
        return {"image": self.image.tower("projection"), "text": text}


METHOD = BLIP
