"""Augmentations with parameters that can be shared between two views: position, colour, turn."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

FACTORS: Mapping[str, int] = {"crop": 3, "colour": 4, "turn": 1}  # name -> how many uniform numbers decide it
LARGEST_TURN = 45.0  # degrees to either side


def draw(name: str) -> Tensor:
    """The parameters of one augmentation, uniform in [0, 1), from torch's generator."""
    return torch.rand(FACTORS[name])


def apply(image: Image.Image, drawn: Mapping[str, Tensor], size: int) -> Image.Image:
    """The view (size, size) of an image under the parameters of all augmentations."""
    image = image if image.mode == "RGB" else image.convert("RGB")
    turned = F.rotate(image, (2 * float(drawn["turn"]) - 1) * LARGEST_TURN, InterpolationMode.BILINEAR)
    area, across, down = drawn["crop"].tolist()
    side = max(2, round(min(image.size) * (0.4 + 0.6 * area) ** 0.5))
    left, top = round(across * (image.width - side)), round(down * (image.height - side))
    view = F.resized_crop(turned, top, left, side, side, [size, size], InterpolationMode.BICUBIC)
    light, contrast, saturation, hue = drawn["colour"].tolist()
    view = F.adjust_contrast(F.adjust_brightness(view, 0.6 + 0.8 * light), 0.6 + 0.8 * contrast)
    coloured: Image.Image = F.adjust_hue(F.adjust_saturation(view, 0.6 + 0.8 * saturation), 0.2 * (2 * hue - 1))
    return coloured
