"""Random views of images, by torchvision's transforms: what each method calls invariant."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

BICUBIC = InterpolationMode.BICUBIC


def contrastive_views(
    size: int,
    *,
    smallest: float,
    largest: float = 1.0,
    strength: float = 0.5,
    flip: float = 0.5,
    grey: float = 0.2,
    blur: float = 0.0,
    solarise: float = 0.0,
) -> Any:
    """SimCLR's family (appendix A): crop, flip, colour jitter of a strength (p .8), grey, blur (σ in .1 to 2), solarisation.

    `smallest` is the least share of the area that a crop keeps: .08 at 224 pixels, .3 to .4 at 32, where 8 % of a picture are
    nine pixels a side.
    """
    colour = v2.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    steps: list[Any] = [
        v2.RandomResizedCrop(size, scale=(smallest, largest), interpolation=BICUBIC),
        v2.RandomHorizontalFlip(flip),
    ]
    steps += [v2.RandomApply([colour], p=0.8)] if strength else []
    steps += [v2.RandomGrayscale(grey)] if grey else []
    steps += [v2.RandomApply([v2.GaussianBlur(max(3, size // 20 * 2 + 1), (0.1, 2.0))], p=blur)] if blur else []
    steps += [v2.RandomSolarize(128, p=solarise)] if solarise else []
    return v2.Compose(steps)


def crop_and_flip(size: int, *, smallest: float, flip: float = 0.5) -> Any:
    """A crop and a flip alone: supervised training, and MAE (appendix A.1: crops of at least .2)."""
    return contrastive_views(size, smallest=smallest, strength=0.0, flip=flip, grey=0.0)


def pixels(image: Image.Image) -> Tensor:
    """uint8 (size, size, 3) of an image."""
    return torch.from_numpy(np.array(image.convert("RGB") if image.mode != "RGB" else image))
