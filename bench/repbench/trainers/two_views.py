"""What methods share that compare two random views of an image: the views, and the encoder with its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from repbench.trainers.augment import Views, pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.distributed import gather
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.instances import Instances
from repbench.trainers.method import Method, Parts, TrainedTower, images_of, widths_of


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """`head`: widths behind the encoder; `smallest`: least share of the area that a crop keeps; `strength` of the colour
    jitter; shares of views that are flipped, made grey, blurred, solarised. `pairs`: the column whose equal values are one
    thing, so that the second view is of another picture of it ("": both views are of one image)."""

    head: str = "256-128"
    smallest: float = 0.3
    strength: float = 0.5
    flip: float = 0.5
    grey: float = 0.2
    blur: float = 0.0
    solarise: float = 0.0
    pairs: str = ""


class TwoViews(Method):
    """An image encoder with a head, and examples that are two random views. What is kept is the feature before the head."""

    def __init__(self, parts: Parts, options: ViewOptions, *, last_norm: bool = False) -> None:
        super().__init__()
        self.encoder = ImageEncoder(parts.settings, widths_of(options.head), last_norm=last_norm)
        self.images = images_of(parts)
        self.instances = Instances(parts.split, options.pairs, "pairs") if options.pairs else None
        self.augment = Views(
            size=self.encoder.size,
            smallest=options.smallest,
            strength=options.strength,
            flip=options.flip,
            grey=options.grey,
            blur=options.blur,
            solarise=options.solarise,
        )

    def example(self, place: int) -> Example:
        """Two random views of one image, or of two that show one thing."""
        other = self.images[place if self.instances is None else self.instances.other(place)]
        return {"first": pixels(self.augment(self.images[place])), "second": pixels(self.augment(other))}

    def embedded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embeddings (n, d) of both views of the batch, over all processes."""
        first, second = self.encoder.views(batch["first"], batch["second"])
        return gather(first), gather(second)

    def towers(self) -> Mapping[str, TrainedTower]:
        """The image encoder."""
        return {"image": self.encoder.tower()}
