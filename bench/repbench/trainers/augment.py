"""Random views of images, of torchvision's operations: what each method calls invariant.

All random numbers of a view are drawn at once and only what they ask for is done: at 32 pixels the calls of torchvision's own
random transforms cost more than a small network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

TRIES = 10  # of a box that fits; then the whole image
RATIO = math.log(4 / 3)  # largest logarithm of a crop's width over its height
COLOUR = 0.8  # share of views whose colours are jittered
ADJUST = (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue)


@dataclass(frozen=True, kw_only=True)
class Views:
    """SimCLR's family (appendix A) for images of `size`: crop, flip, colour jitter of a `strength` (p .8), grey, blur (σ in .1
    to 2), solarisation. `flip`, `grey`, `blur` and `solarise` are shares of views; a crop keeps between
    `smallest` and `largest` of the area.
    """

    size: int
    smallest: float
    largest: float = 1.0
    strength: float = 0.5
    flip: float = 0.5
    grey: float = 0.2
    blur: float = 0.0
    solarise: float = 0.0

    def __call__(self, image: Image.Image) -> Image.Image:
        """One view (size, size), drawn from torch's generator."""
        flip, colour, grey, blur, sigma, solarise, *place = torch.rand(8 + 2 * TRIES).tolist()
        box = random_box(image.size, self.smallest, self.largest, place)
        view = image.crop(box).resize((self.size, self.size), Image.Resampling.BICUBIC)
        if flip < self.flip:
            view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.strength and colour < COLOUR:
            view = jittered(view, self.strength)
        if grey < self.grey:
            view = functional.rgb_to_grayscale(view, 3)
        if blur < self.blur:
            side = max(3, self.size // 20 * 2 + 1)
            view = functional.gaussian_blur(view, [side, side], [0.1 + 1.9 * sigma] * 2)
        return functional.solarize(view, 128) if solarise < self.solarise else view


def random_box(size: tuple[int, int], smallest: float, largest: float, uniform: Sequence[float]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a crop, as torchvision's RandomResizedCrop draws it from numbers in [0, 1): two for the
    place, and two for each of ten tries at a share of the area and a ratio of sides between 3/4 and 4/3."""
    width, height = size
    across, down, *tries = uniform
    for share, turn in zip(tries[::2], tries[1::2], strict=True):
        area = width * height * (smallest + share * (largest - smallest))
        ratio = math.exp(RATIO * (2 * turn - 1))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(across * (width - w + 1)), int(down * (height - h + 1))
            return left, top, left + w, top + h
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def jittered(image: Image.Image, strength: float) -> Image.Image:
    """Brightness, contrast and saturation by factors within .8 · strength of 1, hue within .2 · strength, in random order."""
    by = (2 * torch.rand(4) - 1).mul(strength).tolist()
    for place in torch.randperm(4).tolist():
        factor = 0.2 * by[3] if place == 3 else max(0.0, 1 + 0.8 * by[place])
        image = ADJUST[place](image, factor)
    return image


def crop_and_flip(size: int, *, smallest: float, flip: float = 0.5) -> Views:
    """A crop and a flip alone: supervised training, and MAE (appendix A.1: crops of at least .2)."""
    return Views(size=size, smallest=smallest, strength=0.0, flip=flip, grey=0.0)


def pixels(image: Image.Image) -> Tensor:
    """uint8 (size, size, 3) of an image."""
    return torch.from_numpy(np.array(image.convert("RGB") if image.mode != "RGB" else image))
