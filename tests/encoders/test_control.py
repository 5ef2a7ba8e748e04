"""Controls: what they return is known exactly, on every machine."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from repbench.encoder import Encoder, Sound
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import UnknownNameError, UsageError

SECOND = Sound(samples=np.sin(np.arange(8000, dtype=np.float32) * 0.3), rate=8000)
IMAGE = Image.linear_gradient("L").convert("RGB")
TEXT = (-1.1183248, -1.8508352, -0.9769988)
RED = (0.1863426, -0.8102385, -1.6177661)
ITEMS = {"image": IMAGE, "text": "a cat", "audio": SECOND}


def embed(encoder: Encoder, modality: str, *items: object) -> np.ndarray:
    tower = encoder.towers[modality]
    found = tower.module(torch.stack([tower.prepare(item) for item in items]))
    assert found.shape == (len(items), tower.dim)
    return np.asarray(found)


def noise(modality: str, *items: object) -> np.ndarray:
    return embed(load_encoder("control:random"), modality, *items)


@pytest.mark.parametrize("modality", ["image", "text", "audio"])
def test_constant_says_the_same_of_everything(modality: str) -> None:
    found = embed(load_encoder("control:constant"), modality, ITEMS[modality])
    np.testing.assert_array_equal(found, np.ones((1, 64)))


@pytest.mark.parametrize("modality", ["image", "text", "audio"])
def test_nan_is_nothing_but_nan(modality: str) -> None:
    assert np.isnan(embed(load_encoder("control:nan"), modality, ITEMS[modality])).all()


def test_noise_is_the_same_on_every_machine() -> None:
    """Written down once; PCG64 keyed by SHA-256 promises these numbers everywhere."""
    np.testing.assert_allclose(noise("text", "a cat")[0, :3], TEXT, rtol=1e-5)
    np.testing.assert_allclose(noise("image", Image.new("RGB", (2, 2), "red"))[0, :3], RED, rtol=1e-5)


def test_noise_is_keyed_by_content_alone() -> None:
    again = Image.fromarray(np.asarray(IMAGE).copy())
    np.testing.assert_array_equal(noise("image", IMAGE), noise("image", again))
    other = load_encoder("control:random", LoadOptions(seed=7))
    np.testing.assert_array_equal(embed(other, "text", "a cat"), noise("text", "a cat"))
    louder = Sound(samples=SECOND.samples * 0.5, rate=8000)
    faster = Sound(samples=SECOND.samples, rate=16000)
    sounds = noise("audio", SECOND, louder, faster)
    assert len(np.unique(sounds[:, 0])) == 3
    wide, high = Image.new("RGB", (4, 2)), Image.new("RGB", (2, 4))  # the same bytes
    assert not np.array_equal(noise("image", wide), noise("image", high))


def test_noise_is_standard_normal_and_unrelated() -> None:
    rows = noise("text", *(f"text {place}" for place in range(400)))
    assert rows.shape == (400, 128)
    assert abs(rows.mean()) < 4 / np.sqrt(rows.size)
    assert abs(rows.std() - 1) < 4 / np.sqrt(2 * rows.size)
    related = np.corrcoef(rows)[np.triu_indices(400, 1)]
    assert abs(related.std() - 1 / np.sqrt(128)) < 0.005


def test_noise_leaves_random_numbers_alone() -> None:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state is what is watched
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    noise("text", "a cat")
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


def test_pixels_of_a_small_image_are_its_own() -> None:
    values = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = embed(load_encoder("control:pixels"), "image", Image.fromarray(values))
    np.testing.assert_allclose(found[0], values.reshape(-1) / 127.5 - 1, atol=1e-6)


def test_pixels_of_larger_images_are_averages_from_minus_one_to_one() -> None:
    found = embed(load_encoder("control:pixels"), "image", Image.new("RGB", (90, 50), (255, 0, 51)), IMAGE)
    np.testing.assert_allclose(found[0].reshape(32, 32, 3), np.broadcast_to([1, -1, -0.6], (32, 32, 3)), atol=1e-6)
    assert found.min() >= -1
    assert found.max() <= 1


def test_pixels_of_another_size_are_another_encoder() -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    small = load_encoder("control:pixels,size=4")
    np.testing.assert_allclose(embed(small, "image", Image.fromarray(values))[0], values.reshape(-1) / 127.5 - 1, atol=1e-6)
    assert small.towers["image"].dim == 48
    assert small.fingerprint != load_encoder("control:pixels").fingerprint
    assert load_encoder("control:pixels,size=32").fingerprint == load_encoder("control:pixels").fingerprint


def test_the_spectrum_of_a_tone_peaks_in_its_band() -> None:
    """Mel bands by the textbook: the edges are evenly spaced in 2595 log10(1 + f / 700)."""
    rate, tone = 16000, 1000.0
    samples = np.sin(2 * np.pi * tone * np.arange(rate) / rate).astype(np.float32)
    found = embed(load_encoder("control:pixels"), "audio", Sound(samples=samples, rate=rate))[0]
    centres = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), 42)[1:-1] / 2595) - 1)
    assert found.shape == (80,)
    assert abs(int(found[:40].argmax()) - int(np.abs(centres - tone).argmin())) <= 1
    assert found[40:][found[:40].argmax()] < 0.1  # a steady tone hardly changes over time


def test_louder_sound_shifts_the_mean_and_not_the_deviation() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    quiet, loud = embed(
        load_encoder("control:pixels"), "audio", *(Sound(samples=samples * factor, rate=16000) for factor in (1, 4))
    )
    np.testing.assert_allclose(loud[:40] - quiet[:40], np.log(16), atol=1e-3)
    np.testing.assert_allclose(loud[40:], quiet[40:], atol=1e-3)


def test_very_short_sounds_are_finite() -> None:
    for samples in (np.zeros(1, dtype=np.float32), np.zeros(100, dtype=np.float32)):
        assert np.isfinite(embed(load_encoder("control:pixels"), "audio", Sound(samples=samples, rate=8000))).all()


def test_pixels_have_no_text() -> None:
    assert set(load_encoder("control:pixels").towers) == {"image", "audio"}


def test_controls_are_marked_told_apart_and_sent_to_workers() -> None:
    encoders = [load_encoder(f"control:{name}") for name in ("constant", "nan", "pixels", "random")]
    assert {encoder.kind for encoder in encoders} == {"control"}
    assert len({encoder.fingerprint for encoder in encoders}) == 4
    for encoder in encoders:
        for modality, tower in encoder.towers.items():
            sent = pickle.loads(pickle.dumps(tower.prepare))
            torch.testing.assert_close(sent(ITEMS[modality]), tower.prepare(ITEMS[modality]), equal_nan=True)


def test_unknown_controls_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'constant'"):
        load_encoder("control:constent")
    with pytest.raises(UnknownNameError, match="option 'size'"):
        load_encoder("control:random,size=8")


@pytest.mark.parametrize("size", ["0", "-3", "257", "8.5", "٣"])
def test_a_bad_size_of_pixels_says_what_is_accepted(size: str) -> None:
    with pytest.raises(UsageError, match="expected 1 to 256 pixels"):
        load_encoder(f"control:pixels,size={size}")
