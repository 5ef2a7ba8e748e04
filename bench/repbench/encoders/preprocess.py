"""From a PIL image to a network's input: resize, crop, scale; in words for the record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from repbench.errors import UnknownNameError, UsageError

OPTIONS = ("size", "crop_pct", "interpolation", "resize", "normalise")  # what `override` understands
INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos", "box", "hamming")
RESIZES = ("shortest", "squash")
NORMALISATIONS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),  # SimCLR's TensorFlow networks read [0, 1]
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "cifar": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ImagePreprocess:
    """A picklable preparation of images: float32 (3, size, size).

    `resize` is the target of the shorter side ("shortest") or of both sides ("squash"), with PIL's antialiased filters; a
    centre crop of `size` follows; values in [0, 1] then lose `mean` and are divided by `std`.
    """

    size: int = 224
    resize: int = 224
    interpolation: str = "bicubic"
    mode: str = "shortest"
    mean: Triple = NORMALISATIONS["imagenet"][0]
    std: Triple = NORMALISATIONS["imagenet"][1]

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", self.interpolation, INTERPOLATIONS)
        if self.mode not in RESIZES:
            raise UnknownNameError("resize mode", self.mode, RESIZES)
        if self.size < 1 or self.resize < 1:
            raise UsageError(f"an image of {self.size} pixels (resized to {self.resize}) has nothing in it; give size=224.")

    def __call__(self, image: Image.Image) -> Tensor:
        """The network's input for one image."""
        return self.scale(self.pixels(image)[None])[0]

    def pixels(self, image: Image.Image) -> Tensor:
        """The image resized and cropped, uint8 (size, size, 3): what must be done image by image, and may be in threads."""
        if image.mode != "RGB":
            image = image.convert("RGB")
        image = F.center_crop(self._resized(image), [self.size, self.size])
        return torch.from_numpy(np.array(image))

    def scale(self, pixels: Tensor, *, channels_last: bool = False) -> Tensor:
        """Inputs float32 (n, 3, size, size) from pixels uint8 (n, size, size, 3), in either memory order the same numbers."""
        values = torch.tensor([self.mean, self.std, (255.0,) * 3], device=pixels.device)
        if channels_last:  # a whole line of pixels at once: three numbers at a time would be slow
            mean, std, full = values.repeat(1, self.size)
            lines = pixels.flatten(2).to(torch.float32).div_(full).sub_(mean).div_(std)
            return lines.view(pixels.shape).permute(0, 3, 1, 2)
        mean, std, full = values[:, :, None, None]
        return pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32).div_(full).sub_(mean).div_(std)

    def _resized(self, image: Image.Image) -> Any:
        """The image resized, and in mode "shortest" without the columns that a centre crop drops."""
        mode = InterpolationMode(self.interpolation)
        if self.mode == "squash":
            return F.resize(image, [self.resize, self.resize], interpolation=mode)
        shorter = min(image.size)
        width, height = (self.resize * side // shorter for side in image.size)
        # PIL resizes columns, then rows; columns that the crop drops need no second resize. The same bits, a tenth faster
        image = F.resize(image, [image.height, width], interpolation=mode)
        if width > self.size:
            image = F.crop(image, 0, round((width - self.size) / 2), image.height, self.size)
        return F.resize(image, [height, image.width], interpolation=mode)

    @property
    def words(self) -> str:
        """The preparation in words, for the record and the fingerprint."""
        side = "shorter side" if self.mode == "shortest" else "both sides"
        return (
            f"resize {side} to {self.resize} {self.interpolation}, centre crop {self.size}, "
            f"mean {_numbers(self.mean)}, std {_numbers(self.std)}"
        )


def triple(values: object) -> Triple:
    """Three numbers, one a channel, from a sequence or a tensor. Raises UsageError for another count."""
    numbers = torch.as_tensor(values, dtype=torch.float64).flatten().tolist()
    if len(numbers) != 3:
        raise UsageError(f"the network reads {len(numbers)} channels; images have 3 (RGB).")
    return (numbers[0], numbers[1], numbers[2])


def override(preprocess: ImagePreprocess, options: Mapping[str, str]) -> ImagePreprocess:
    """The preparation with the user's options `OPTIONS` applied; other options are not looked at.

    `size` sets both resize and crop, `crop_pct` the resize as size / crop_pct (0 < crop_pct <= 1).
    """
    changed = preprocess
    if "size" in options:
        size = _positive_int("size", options["size"])
        changed = replace(changed, size=size, resize=size)
    if "crop_pct" in options:
        changed = replace(changed, resize=math.floor(changed.size / _share("crop_pct", options["crop_pct"])))
    if "interpolation" in options:
        changed = replace(changed, interpolation=options["interpolation"])
    if "resize" in options:
        changed = replace(changed, mode=options["resize"])
    if "normalise" in options:
        if options["normalise"] not in NORMALISATIONS:
            raise UnknownNameError("normalisation", options["normalise"], NORMALISATIONS)
        mean, std = NORMALISATIONS[options["normalise"]]
        changed = replace(changed, mean=mean, std=std)
    return changed


def _numbers(values: Triple) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _positive_int(option: str, text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"{option}={text} is no number of pixels; write for example {option}=224.")
    return int(text)


def _share(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise UsageError(f"{option}={text} is no share; write a number above 0 and at most 1, for example {option}=0.875.")
    return value
