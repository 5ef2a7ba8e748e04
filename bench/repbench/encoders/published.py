"""How published protocols prepare images, and the options of an encoder that prepare them so.

Options that an encoder is not told keep what its source says of its own weights, where squashing and other filters occur: so
all three are named, the size (which sets resize and crop), the filter and the side that is resized.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """The shorter side resized to `resize` pixels by the bicubic filter, then a centre crop of `crop`.

    `source` is where that stands. `options` give it for an encoder of any kind, with the mean and deviation of its own.
    """

    resize: int
    crop: int
    source: str
    options: str

    @property
    def words(self) -> str:
        """The beginning of what a record says of images that are prepared so."""
        return f"resize shorter side to {self.resize} bicubic, centre crop {self.crop}"


OTHERWISE = "not the published one"  # how the words on preprocessing begin where images were prepared in another way
PREPARATIONS = {  # by protocol; of those that are not here no preparation is published, or it is the model's own
    "linear-probe": Preparation(
        resize=224, crop=224, source="SimCLR B.8.1", options="size=224,interpolation=bicubic,resize=shortest"
    ),
    "knn": Preparation(
        resize=256,
        crop=224,
        source="DINO's eval_knn.py",
        options="size=224,crop_pct=0.875,interpolation=bicubic,resize=shortest",
    ),
    "fine-tune": Preparation(resize=256, crop=224, source="SimCLR B.8.1", options="size=224"),  # it does the rest by itself
}
