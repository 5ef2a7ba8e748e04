"""Random views against torchvision's own transforms."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import InterpolationMode, RandomResizedCrop, functional

from repbench.trainers.augment import TRIES, Views, random_box


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 36, 3), dtype=np.uint8))


def plain(**given: float) -> Views:
    """A whole image, nothing else, but for what is given."""
    return Views(size=16, **{"smallest": 1.0, "strength": 0.0, "flip": 0.0, "grey": 0.0, **given})  # type: ignore[arg-type]


def boxes(smallest: float, size: tuple[int, int], count: int = 2000) -> np.ndarray:
    drawn = torch.rand(count, 2 + 2 * TRIES, generator=torch.Generator().manual_seed(0)).tolist()
    return np.array([random_box(size, smallest, 1.0, one) for one in drawn])


def test_crops_have_the_areas_ratios_and_places_of_torchvisions():
    torch.manual_seed(1)
    shape = torch.empty(3, 40, 60)
    theirs = np.array([RandomResizedCrop.get_params(shape, [0.3, 1.0], [3 / 4, 4 / 3]) for _ in range(2000)])
    top, left, height, width = theirs.T
    ours = boxes(0.3, (60, 40))
    assert ours.min() == 0
    assert ours.max(0).tolist()[2:] == [60, 40]
    w, h = ours[:, 2] - ours[:, 0], ours[:, 3] - ours[:, 1]
    for mine, other in ((w * h, width * height), (w / h, width / height), (ours[:, 0], left), (ours[:, 1], top)):
        assert stats.ks_2samp(mine, other).pvalue > 0.01


def test_a_crop_is_cut_and_resized_as_torchvision_does_it(image):
    torch.manual_seed(3)
    view = plain(smallest=0.3)(image)
    torch.manual_seed(3)
    left, top, right, bottom = random_box(image.size, 0.3, 1.0, torch.rand(8 + 2 * TRIES).tolist()[6:])
    where = (top, left, bottom - top, right - left)
    theirs = functional.resized_crop(image, *where, [16, 16], InterpolationMode.BICUBIC)
    np.testing.assert_array_equal(np.array(view), np.array(theirs))


def test_what_is_switched_on_is_done_and_nothing_else(image):
    box = random_box(image.size, 1.0, 1.0, [0.5] * (2 + 2 * TRIES))
    whole = image.crop(box).resize((16, 16), Image.Resampling.BICUBIC)
    same = {"flip": functional.hflip(whole), "grey": functional.rgb_to_grayscale(whole, 3)}
    same["solarise"] = functional.solarize(whole, 128)
    torch.manual_seed(0)
    np.testing.assert_array_equal(np.array(plain()(image)), np.array(whole))
    for name, expected in same.items():
        np.testing.assert_array_equal(np.array(plain(**{name: 1.0})(image)), np.array(expected))
    assert np.array(plain(blur=1.0)(image)).std() < np.array(whole).std()


def test_colours_are_jittered_in_four_of_five_views_and_by_the_strength(image):
    torch.manual_seed(0)
    whole = np.array(plain()(image), dtype=float)
    moved = {
        strength: np.array([np.abs(np.array(plain(strength=strength)(image)) - whole).mean() for _ in range(200)])
        for strength in (0.1, 0.8)
    }
    assert 0.7 < (moved[0.8] > 0).mean() < 0.9
    assert moved[0.8].mean() > 4 * moved[0.1].mean()
