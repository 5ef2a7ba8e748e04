"""The supervised twin: the same encoder, trained to name the classes by cross-entropy with the labels of the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from repbench.errors import UsageError
from repbench.trainers.augment import Views, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.method import Method, Parts, TrainedTower, images_of
from repbench.trainers.settings import Defaults

HELP = "the supervised twin: cross-entropy with the labels of the training split"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`smoothing` of the labels; views as in SimCLR, `strength` 0 leaves colours alone."""

    smoothing: float = 0.0
    smallest: float = 0.3
    strength: float = 0.0
    flip: float = 0.5


class Supervised(Method):
    """An encoder and a linear classifier; the encoder is what is kept."""

    def __init__(self, parts: Parts, options: Options) -> None:
        super().__init__()
        if parts.split.label.ndim != 1:
            raise UsageError("supervised training names one class an example; here examples can be of several.")
        self.options = options
        self.encoder = ImageEncoder(parts.settings)
        self.classifier = nn.Linear(self.encoder.width, len(parts.split.class_names))
        self.images = images_of(parts)
        self.augment = Views(
            size=self.encoder.size, smallest=options.smallest, strength=options.strength, flip=options.flip, grey=0.0
        )

    def example(self, place: int) -> Example:
        """One random view."""
        return {"view": pixels(self.augment(self.images[place]))}

    def forward(self, batch: Batch) -> Tensor:
        """Cross-entropy of this process's batch; data-parallel training takes the mean over processes."""
        logits = self.classifier(self.encoder(batch["view"]))
        return functional.cross_entropy(logits.float(), batch["label"], label_smoothing=self.options.smoothing)

    def towers(self) -> Mapping[str, TrainedTower]:
        """The image encoder."""
        return {"image": self.encoder.tower()}


METHOD = Supervised
