"""Alignment, uniformity and tolerance against torch.pdist, double loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import ive

from repbench.errors import ProtocolError
from repbench.measure import geometry

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 16)).astype(np.float32)
Y = (X + 0.3 * RNG.normal(size=X.shape)).astype(np.float32)
LABELS = RNG.integers(7, size=300)


def _unit(x: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(x).double(), dim=1)


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.5])
def test_alignment_is_the_papers_code(alpha: float) -> None:
    reference = (_unit(X) - _unit(Y)).norm(p=2, dim=1).pow(alpha).mean().item()
    assert geometry.alignment(X, Y, alpha) == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("t", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("block", [7, 128, 2048])
def test_uniformity_is_the_papers_code_at_every_block_size(t: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "BLOCK", block)
    reference = torch.pdist(_unit(X), p=2).pow(2).mul(-t).exp().mean().log().item()
    assert geometry.uniformity(X, t) == pytest.approx(reference, abs=1e-9)


def test_uniformity_of_duplicates_and_near_duplicates_is_exact() -> None:
    x = np.concatenate([X[:40], X[:40], X[:40] * (1 + 1e-6)])
    reference = torch.pdist(_unit(x), p=2).pow(2).mul(-2).exp().mean().log().item()
    assert geometry.uniformity(x) == pytest.approx(reference, abs=1e-9)


def test_potentials_leave_a_row_itself_out() -> None:
    x = geometry.normalised(X[:20])
    distances = ((x[:, None] - x[None]) ** 2).sum(axis=-1)
    kernel = np.exp(-2 * distances)
    assert_allclose(geometry.potentials(X[:20]), (kernel.sum(axis=1) - 1) / 19, atol=1e-12)


def test_collapse_is_perfectly_aligned_and_not_uniform() -> None:
    x = np.full((50, 8), 3.0)
    assert geometry.alignment(x, x) == 0.0
    assert geometry.uniformity(x) == pytest.approx(0.0, abs=1e-14)
    assert geometry.tolerance(x, np.zeros(50, dtype=int)) == pytest.approx(1.0)


def test_opposite_points_reach_the_bounds() -> None:
    x = np.array([[1.0, 0.0]])
    assert geometry.alignment(x, -x) == pytest.approx(4.0)
    assert geometry.uniformity(np.concatenate([x, -x])) == pytest.approx(-8.0)


def test_points_evenly_on_a_circle_reach_the_bessel_function() -> None:
    n = 4000  # over all n^2 pairs E exp(-4 + 4 cos) = exp(-4) I_0(4); then without the n self-pairs
    angles = 2 * math.pi * np.arange(n) / n
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert geometry.uniformity(x) == pytest.approx(math.log((ive(0, 4.0) * n - 1) / (n - 1)), abs=1e-10)


def test_gaussian_noise_in_many_dimensions_nears_minus_four() -> None:
    x = np.random.default_rng(1).normal(size=(1000, 1024))
    assert geometry.uniformity(x) == pytest.approx(-4.0, abs=0.01)


def test_tolerance_is_the_mean_over_pairs_of_one_class() -> None:
    x = geometry.normalised(X)
    pairs = [x[i] @ x[j] for i in range(300) for j in range(i) if LABELS[i] == LABELS[j]]
    assert geometry.tolerance(X, LABELS) == pytest.approx(float(np.mean(pairs)), abs=1e-12)


def test_tolerance_does_not_mind_classes_of_one() -> None:
    labels = np.array([0, 0, 5, 9])
    x = geometry.normalised(X[:4])
    assert geometry.tolerance(X[:4], labels) == pytest.approx(float(x[0] @ x[1]), abs=1e-12)


def test_tolerance_contributions_give_the_jackknife_error() -> None:
    x, labels = X[:120] + np.eye(16, dtype=np.float32)[LABELS[:120]], LABELS[:120]
    n = len(x)
    left = np.array([geometry.tolerance(np.delete(x, i, 0), np.delete(labels, i)) for i in range(n)])
    jackknife = math.sqrt((n - 1) ** 2 / n * left.var(ddof=1))
    contributions = geometry.tolerance_contributions(x, labels)
    assert contributions.std(ddof=1) / math.sqrt(n) == pytest.approx(jackknife, rel=0.05)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_length_of_embeddings_does_not_matter(scale: float) -> None:
    scaled = X * np.float32(scale)
    assert geometry.uniformity(scaled) == pytest.approx(geometry.uniformity(X), abs=1e-6)
    assert geometry.alignment(scaled, Y) == pytest.approx(geometry.alignment(X, Y), abs=1e-6)


def test_zero_rows_are_counted_in_the_refusal() -> None:
    x = X.copy()
    x[[3, 9]] = 0
    with pytest.raises(ProtocolError, match="2 of 300 embeddings are zero vectors"):
        geometry.uniformity(x)
    with pytest.raises(ProtocolError, match="2 of 300"):
        geometry.alignment(X, x)


def test_unit_rows_keeps_zeros() -> None:
    assert_allclose(geometry.unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])


def test_undefined_measures_are_refused() -> None:
    with pytest.raises(ProtocolError, match="NaN"):
        geometry.normalised(np.array([[np.nan, 1.0]]))
    with pytest.raises(ProtocolError, match="pairs"):
        geometry.uniformity(X[:1])
    with pytest.raises(ProtocolError, match="share a class"):
        geometry.tolerance(X[:3], np.arange(3))
    with pytest.raises(ProtocolError, match="one shape"):
        geometry.alignment(X, Y[:5])
    with pytest.raises(ProtocolError, match="no embeddings"):
        geometry.alignment(X[:0], Y[:0])


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-150, 1e160, 1e300])
def test_lengths_whose_squares_no_float_holds_change_no_direction(scale: float) -> None:
    x = X.astype(np.float64)
    assert geometry.uniformity(x * scale) == pytest.approx(geometry.uniformity(x), abs=1e-12)
    mixed = x * np.where(np.arange(len(x)) % 2, scale, 1.0)[:, None]
    assert_allclose(geometry.unit_rows(mixed), geometry.unit_rows(x), rtol=1e-12, atol=0)
    assert not geometry.unit_rows(np.zeros((2, 3))).any()
