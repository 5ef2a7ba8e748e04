"""CPC: InfoNCE against the closed form on Gaussians; nothing leaks between frames or patches; sounds train and evaluate."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import repbench
from repbench.encoder import Sound
from repbench.encoders.small import PatchNet
from repbench.encoders.small_audio import HOP, SmallCPC, Window
from repbench.errors import UsageError
from repbench.trainers.cpc import Predictions, info_nce


def gaussian_pairs(n: int, d: int, rho: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    x, noise = torch.randn(2, n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def log_ratio(x: torch.Tensor, y: torch.Tensor, rho: float) -> torch.Tensor:
    """log p(x, y) / (p(x) p(y)) of correlated Gaussians, for all pairs (n, n)."""
    d = x.shape[1]
    squares = rho**2 * (x.square().sum(1)[:, None] + y.square().sum(1)[None])
    return -d / 2 * math.log(1 - rho**2) - (squares - 2 * rho * x @ y.T) / (2 * (1 - rho**2))


@pytest.mark.parametrize(("information", "expected"), [(1.0, 0.972), (4.0, 3.349)])
def test_the_bound_of_the_exact_ratio_is_the_monte_carlo_value(information: float, expected: float) -> None:
    d, n = 20, 128
    rho = math.sqrt(1 - math.exp(-2 * information / d))
    bounds = []
    for seed in range(100):
        x, y = gaussian_pairs(n, d, rho, seed)
        bounds.append(math.log(n) - float(info_nce(log_ratio(x, y, rho))))
    assert np.mean(bounds) == pytest.approx(expected, abs=0.03)  # an independent Monte-Carlo run with the exact ratio
    assert np.mean(bounds) < min(information, math.log(n))
    assert max(bounds) <= math.log(n)


def test_learning_reaches_the_bound_and_the_density_ratio() -> None:
    torch.manual_seed(0)
    d, n, rho = 3, 64, 0.7
    form = torch.nn.Parameter(torch.zeros(3, d, dtype=torch.float64))  # a xᵀy + b x² + c y², which holds the exact ratio
    optimizer = torch.optim.Adam([form], lr=0.02)
    for step in range(600):
        x, y = gaussian_pairs(n, d, rho, step)
        loss = info_nce((x * form[0]) @ y.T + (x.square() @ form[1])[:, None] + (y.square() @ form[2])[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    exact = rho / (1 - rho**2)
    assert form[0].detach().numpy() == pytest.approx(exact, abs=0.12)
    assert form[2].detach().numpy() == pytest.approx(-rho * exact / 2, abs=0.12)  # x² is free: every candidate has it


def test_a_step_predicts_that_step_and_no_other() -> None:
    torch.manual_seed(0)
    z = torch.randn(4, 9, 5)
    predictions = Predictions(5, 5, 2)
    with torch.no_grad():
        for weight in predictions.steps:
            weight.weight.copy_(50 * torch.eye(5))  # type: ignore[union-attr]
    ahead_by_one = torch.cat([z[:, 1:], z[:, :1]], 1)  # contexts that know the next frame
    scores = [float(info_nce(50 * ahead_by_one[:, :7].flatten(0, 1) @ z[:, k : k + 7].flatten(0, 1).T)) for k in (1, 2)]
    assert predictions(ahead_by_one, z).item() == pytest.approx(np.mean(scores), rel=1e-5)
    assert scores[0] < scores[1]


def test_a_context_knows_nothing_of_what_comes_after_it() -> None:
    torch.manual_seed(0)
    network = SmallCPC(16, 16).train()
    waves = torch.randn(2, 10 * HOP)
    later = waves.clone()
    later[:, 6 * HOP :] += torch.randn(2, 4 * HOP)
    before, after = network.frames(waves)[1], network.frames(later)[1]
    assert before.shape[1] == 10
    torch.testing.assert_close(before[:, :4], after[:, :4])  # a frame sees a little of the next
    assert not torch.allclose(before[:, 7:], after[:, 7:])


def test_a_patch_is_embedded_alone() -> None:
    torch.manual_seed(0)
    network = PatchNet().train()
    images = torch.randn(1, 3, 32, 32)
    grid = network.grid(images)
    assert grid.shape == (1, 7, 7, 128)
    images[:, :, :8, :8] += 1
    changed = (network.grid(images) - grid).abs().sum(-1)[0] > 1e-6
    assert changed.nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_silence_behind_a_sound_does_not_count() -> None:
    torch.manual_seed(0)
    network = SmallCPC(16, 16).eval()
    sound = Sound(samples=np.random.default_rng(0).normal(size=4000).astype(np.float32), rate=8000)
    short, long = Window(samples=6400)(sound), Window(samples=12800)(sound)
    torch.testing.assert_close(network(short[None]), network(long[None]))
    twice = Sound(samples=np.repeat(sound.samples, 2), rate=16000)
    assert len(Window().wave(twice)) == 4000


def test_voices_train_a_tower_of_sounds(tmp_path: Path) -> None:
    encoder = repbench.train(
        *("cpc-audio", "speakers"),
        out=tmp_path / "cpc.safetensors",
        limit=20,
        epochs=2,
        batch_size=5,
        log=lambda line: None,
        options={"steps": 4, "frames": 12, "channels": 16, "width": 16},
    )
    assert encoder.towers["audio"].dim == 32
    table = repbench.evaluate(encoder, "knn/speakers", limit=20, store=tmp_path / "store", quiet=True)
    assert table.value.notna().all()
    with pytest.raises(UsageError, match="sounds"):
        repbench.train("cpc-audio", "digits", out=tmp_path / "no.safetensors")
