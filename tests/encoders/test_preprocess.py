"""Our preparation of images equals that of timm, torchvision and open_clip, pixel by pixel."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms._presets import ImageClassification

from repbench.encoders.preprocess import INTERPOLATIONS, NORMALISATIONS, ImagePreprocess, override, triple
from repbench.errors import UnknownNameError, UsageError

SIZES = [(320, 200), (200, 320), (224, 224), (97, 61), (30, 300)]


def image(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest", "lanczos"])
@pytest.mark.parametrize("crop_mode", ["center", "squash"])
def test_it_equals_timm(size: tuple[int, int], interpolation: str, crop_mode: str) -> None:
    facts = {"input_size": (3, 96, 96), "interpolation": interpolation, "crop_pct": 0.875, "crop_mode": crop_mode}
    reference = timm.data.create_transform(**facts, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), is_training=False)
    mode = "shortest" if crop_mode == "center" else "squash"
    ours = ImagePreprocess(
        size=96, resize=109, interpolation=interpolation, mode=mode, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)
    )
    torch.testing.assert_close(ours(image(*size)), reference(image(*size)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_it_equals_torchvision(size: tuple[int, int]) -> None:
    reference = ImageClassification(crop_size=96, resize_size=100, interpolation=InterpolationMode.BILINEAR)
    ours = ImagePreprocess(size=96, resize=100, interpolation="bilinear")
    torch.testing.assert_close(ours(image(*size)), reference(image(*size)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_it_equals_open_clip(size: tuple[int, int], mode: str) -> None:
    mean, std = NORMALISATIONS["clip"]
    reference = open_clip.image_transform(96, is_train=False, mean=mean, std=std, resize_mode=mode, interpolation="bicubic")
    ours = ImagePreprocess(size=96, resize=96, mode=mode, mean=mean, std=std)
    torch.testing.assert_close(ours(image(*size)), reference(image(*size)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [*SIZES, (223, 225), (500, 375), (8, 9)])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_it_equals_the_steps_of_torchvision_bit_for_bit(size: tuple[int, int], interpolation: str) -> None:
    ours = ImagePreprocess(size=91, resize=100, interpolation=interpolation)
    resized = F.resize(image(*size), [100], interpolation=InterpolationMode(interpolation))
    expected = F.normalize(F.to_tensor(F.center_crop(resized, [91, 91])), list(ours.mean), list(ours.std))
    assert torch.equal(ours(image(*size)), expected)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_batch_of_pixels_is_scaled_to_the_very_numbers_of_single_images(channels_last: bool) -> None:
    ours = ImagePreprocess(size=96, resize=109)
    images = [image(*size) for size in SIZES]
    batch = ours.scale(torch.stack([ours.pixels(one) for one in images]), channels_last=channels_last)
    order = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.is_contiguous(memory_format=order)
    assert torch.equal(batch, torch.stack([ours(one) for one in images]))


def test_an_image_smaller_than_the_crop_is_filled_up_with_black() -> None:
    prepared = ImagePreprocess(size=16, resize=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))(image(8, 8))
    assert prepared.shape == (3, 16, 16)
    assert prepared[:, 0].eq(0).all()


def test_grey_and_transparent_images_become_rgb() -> None:
    for mode in ("L", "RGBA", "P", "1", "CMYK"):
        assert ImagePreprocess(size=16, resize=16)(image(20, 20).convert(mode)).shape == (3, 16, 16)


def test_it_is_picklable_equal_by_value_and_float32() -> None:
    ours = ImagePreprocess(size=16, resize=20)
    again = pickle.loads(pickle.dumps(ours))
    assert again == ours
    assert again(image(30, 20)).dtype == torch.float32


def test_words_tell_all_options_apart() -> None:
    plain = ImagePreprocess()
    assert plain.words == ("resize shorter side to 224 bicubic, centre crop 224, mean 0.485 0.456 0.406, std 0.229 0.224 0.225")
    changes = [{"size": 96}, {"resize": 256}, {"interpolation": "bilinear"}, {"mode": "squash"}]
    changes += [{"mean": (0.5, 0.5, 0.5)}, {"std": (0.5, 0.5, 0.5)}]
    assert len({plain.words, *(replace(plain, **change).words for change in changes)}) == 7


def test_options_override_and_leave_the_rest() -> None:
    plain = ImagePreprocess(size=224, resize=256, mean=(0.1, 0.2, 0.3))
    assert override(plain, {}) == plain
    assert override(plain, {"layer": "x"}) == plain
    assert override(plain, {"size": "96"}) == replace(plain, size=96, resize=96)
    assert override(plain, {"size": "96", "crop_pct": "0.75"}) == replace(plain, size=96, resize=128)
    assert override(plain, {"crop_pct": "1"}) == replace(plain, resize=224)
    assert override(plain, {"interpolation": "bilinear", "resize": "squash"}) == replace(
        plain, interpolation="bilinear", mode="squash"
    )
    assert override(plain, {"normalise": "none"})(image(9, 9)).min() >= 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "big"}, "size=224"),
        ({"size": "0"}, "size=224"),
        ({"crop_pct": "0"}, "above 0"),
        ({"crop_pct": "nan"}, "above 0"),
        ({"crop_pct": "87.5"}, "at most 1"),
        ({"interpolation": "bicubc"}, "'bicubic'"),
        ({"resize": "squish"}, "'squash'"),
        ({"normalise": "imagnet"}, "'imagenet'"),
    ],
)
def test_bad_options_say_what_to_type(options: dict[str, str], words: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=words):
        override(ImagePreprocess(), options)


def test_a_mean_of_another_count_of_channels_is_an_error() -> None:
    assert triple([0.5, 0.25, 1]) == (0.5, 0.25, 1.0)
    with pytest.raises(UsageError, match="reads 1 channels"):
        triple([0.5])
