"""The generator of reference/content_style.py: what the simulation says of content, style, change and mixing, measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

PATH = Path(__file__).resolve().parents[1] / "reference" / "content_style.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("content_style", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    module.CANDIDATES = 3000
    return module


def test_content_stays_and_style_changes_as_often_as_it_should(script: ModuleType) -> None:
    world = script.World(script.Setting(change=0.75), 0)
    _, style, other = world.draw(20_000, np.random.default_rng(0))
    changed = other != style
    assert changed.mean() == pytest.approx(0.75, abs=0.01)
    assert (other - style)[changed].std() == pytest.approx(1, abs=0.02)
    assert (script.World(script.Setting(change=1.0), 0).draw(100, np.random.default_rng(0))[2] != style[:100]).all()


def test_independent_style_tells_nothing_of_content_and_caused_style_is_a_plus_b_c(script: ModuleType) -> None:
    rng = np.random.default_rng(1)
    content, style, _ = script.World(script.Setting(), 0).draw(20_000, rng)
    assert np.abs(np.corrcoef(content.T, style.T)[:5, 5:]).max() < 0.04
    world = script.World(script.Setting(causal=True), 0)
    content, style, _ = world.draw(20_000, rng)
    found = np.linalg.lstsq(np.column_stack([content, np.ones(len(content))]), style, rcond=None)[0]
    assert pytest.approx(world.cause, abs=0.05) == found[:5].T
    assert found[5] == pytest.approx(world.shift, abs=0.05)


def test_statistical_dependence_is_a_covariance_that_is_not_diagonal(script: ModuleType) -> None:
    world = script.World(script.Setting(statistical=True), 0)
    content, style, _ = world.draw(50_000, np.random.default_rng(2))
    for drawn, covariance in ((content, world.content), (style, world.style)):
        assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.03 * np.trace(covariance))
        assert np.abs(covariance - np.diag(np.diag(covariance))).max() > 0.5
    assert np.abs(np.corrcoef(content.T, style.T)[:5, 5:]).max() < 0.04  # within content and style, not between


def test_the_mixing_is_well_conditioned_and_can_be_undone(script: ModuleType) -> None:
    world = script.World(script.Setting(statistical=True, causal=True), 3)
    content, style, _ = world.draw(500, np.random.default_rng(3))
    x = world.mix(content, style)
    back = world.unmix(x)
    assert np.allclose(back[0], content)
    assert np.allclose(back[1], style)
    assert np.linalg.norm(world.layers, axis=1) == pytest.approx(1)
    assert np.linalg.cond(world.layers).max() < 6  # of such matrices one in two has 20 or more
    straight = np.linalg.lstsq(np.column_stack([content, style]), x, rcond=None)[1]
    assert straight.min() > 1  # and it is no linear map


def test_info_nce_is_the_cross_entropy_of_the_pair_among_the_batch(script: ModuleType) -> None:
    z, other = np.random.default_rng(4).normal(size=(2, 6, 3))
    scores = -((z[:, None] - other[None]) ** 2).sum(axis=2)
    rows, columns = (np.log(np.exp(one).sum(axis=1)) - np.diag(one) for one in (scores, scores.T))
    told = script.info_nce(torch.from_numpy(z), torch.from_numpy(other))
    assert float(told) == pytest.approx((rows.mean() + columns.mean()) / 2)
    assert float(script.info_nce(torch.zeros(6, 3), torch.zeros(6, 3))) == pytest.approx(np.log(6))


def test_a_linear_map_is_explained_and_noise_is_not(script: ModuleType) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(script.TRAIN + 500, 5))
    assert script.explained(x, x @ rng.normal(size=(5, 5)) + 3, kernel=False) == pytest.approx(1)
    assert abs(script.explained(x, rng.normal(size=x.shape), kernel=False)) < 0.03
