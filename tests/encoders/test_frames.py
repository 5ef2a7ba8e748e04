"""Features at moments of sounds: interpolation, where a network's frames are centred, controls, layers of CPC."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dct

from repbench.encoder import FrameGrid, Sound, Tower
from repbench.encoders.frames import OnGrid
from repbench.encoders.load import load_encoder
from repbench.encoders.mel import BANDS, log_mel, mfcc

GRID = FrameGrid(hop=0.02, count=50)


def click(at: float, rate: int = 8000, seconds: float = 1.0) -> Sound:
    """Noise, with a loud tone of 30 ms around one moment."""
    samples = np.random.default_rng(0).normal(0, 0.001, round(seconds * rate)).astype(np.float32)
    times = np.arange(len(samples)) / rate
    samples += np.where(np.abs(times - at) < 0.015, np.sin(2 * np.pi * 1000 * times), 0).astype(np.float32)
    return Sound(samples=samples, rate=rate)


def moments(tower: Tower, sound: Sound, grid: FrameGrid = GRID) -> np.ndarray:
    assert tower.frames is not None
    framed = tower.frames(grid)
    rows = framed.module(framed.prepare(sound)[None])
    assert rows.shape == (1, framed.dim)
    return rows.reshape(grid.count, -1).numpy()


def test_between_two_frames_the_features_are_interpolated() -> None:
    frames = torch.arange(5.0)[None, :, None] * 10
    found = OnGrid(torch.nn.Identity(), FrameGrid(hop=1.0, count=4), first=0.25, period=1.0)(frames)
    assert found[0].tolist() == pytest.approx([2.5, 12.5, 22.5, 32.5])  # centres at 0.5, 1.5, ...; frames at 0.25, 1.25, ...
    beyond = OnGrid(torch.nn.Identity(), FrameGrid(hop=4.0, count=3), first=0.25, period=1.0)(frames)
    assert beyond[0].tolist() == pytest.approx([17.5, 40, 40])


@pytest.mark.parametrize("name", ["control:log-mel", "control:mfcc", "random:small:cpc,layer=z"])
def test_what_is_heard_at_a_moment_is_in_the_frame_of_that_moment(name: str) -> None:
    tower = load_encoder(name).towers["audio"]
    changed = np.abs(moments(tower, click(0.51)) - moments(tower, click(2.0))).sum(axis=1)  # the second: no tone at all
    changed = changed if "cpc" not in name else np.abs(np.diff(moments(tower, click(0.51)), axis=0)).sum(axis=1)
    assert GRID.centres[int(changed.argmax())] == pytest.approx(0.51, abs=0.031)


def test_cepstra_are_the_cosine_transform_of_the_log_mel_spectrum_and_slopes_of_a_ramp_are_its_rise() -> None:
    sound = click(0.3)
    found = mfcc(sound.samples, sound.rate)
    expected = dct(log_mel(sound.samples, sound.rate, BANDS), norm="ortho", axis=1)[:, :13]
    np.testing.assert_allclose(found[:, :13], expected)
    ramp = np.polyfit(np.arange(-2, 3), expected[8:13], 1)[0]  # least squares through five frames
    np.testing.assert_allclose(found[10, 13:26], ramp, atol=1e-9)
    assert found.shape[1] == 39


@pytest.mark.parametrize("name", ["control:mfcc", "control:log-mel", "control:constant", "control:random", "random:small:cpc"])
def test_one_grid_gives_one_fingerprint_and_another_grid_another(name: str) -> None:
    tower = load_encoder(name).towers["audio"]
    assert tower.frames is not None
    one, again, other = tower.frames(GRID), tower.frames(GRID), tower.frames(FrameGrid(hop=0.01, count=50))
    assert one.fingerprint == again.fingerprint
    assert len({tower.fingerprint, one.fingerprint, other.fingerprint}) == 3


def test_contexts_and_frames_of_an_untrained_network_are_two_layers() -> None:
    sound = click(0.5)
    c, z = (load_encoder(f"random:small:cpc,layer={layer}").towers["audio"] for layer in "cz")
    assert c.fingerprint == load_encoder("random:small:cpc").towers["audio"].fingerprint
    assert (moments(c, sound).shape[1], moments(z, sound).shape[1]) == (128, 96)
    assert z.module(z.prepare(sound)[None]).shape == (1, 192)


def test_contexts_know_nothing_of_what_follows() -> None:
    tower = load_encoder("random:small:cpc").towers["audio"]
    assert tower.frames is not None
    framed = tower.frames(GRID)
    inputs = framed.prepare(click(0.2))[None]
    later = inputs.clone()
    later[0, 1 + 4800 :] = 0  # nothing from 0.6 s on
    first, second = (framed.module(one).reshape(GRID.count, -1) for one in (inputs, later))
    torch.testing.assert_close(first[:28], second[:28])
    assert not torch.allclose(first[32:], second[32:])
