"""Spectra against closed forms, against SciPy, and their intervals against repeated draws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.distance import pdist
from scipy.stats import entropy

from repbench.errors import ProtocolError
from repbench.measure import geometry, spectrum
from repbench.measure.lidar import lidar

HARMONIC = torch.tensor([1 / k for k in range(1, 129)], dtype=torch.float64)


def test_the_ranks_of_a_harmonic_spectrum_are_the_published_ones() -> None:
    assert float(spectrum.rankme(HARMONIC)) == pytest.approx(107.05, abs=0.01)  # on its square roots
    assert float(spectrum.variance_rank(HARMONIC)) == pytest.approx(46.95, abs=0.01)
    assert float(spectrum.first_share(HARMONIC)) == pytest.approx(5.433, abs=0.001)
    assert float(spectrum.participation_ratio(HARMONIC)) == pytest.approx(18.03, abs=0.01)
    assert float(spectrum.alpha(HARMONIC)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("shape", [(200, 30), (40, 90)])
def test_values_are_those_of_singular_values_and_covariances(shape: tuple[int, int]) -> None:
    z = np.random.default_rng(0).normal(size=shape) @ np.diag(np.linspace(3, 0.1, shape[1])) + 0.5
    plain, centred = spectrum.spectrum(z, centred=False), spectrum.spectrum(z, centred=True)
    sigma = np.linalg.svd(z, compute_uv=False)
    assert float(spectrum.rankme(plain.values)) == pytest.approx(np.exp(entropy(sigma)), rel=1e-4)  # epsilon 1e-7
    assert float(spectrum.first_share(plain.values)) == pytest.approx((z**2).sum() / sigma[0] ** 2)
    variances = np.clip(np.linalg.eigvalsh(np.cov(z.T, bias=True))[::-1], 0, None)
    assert float(spectrum.variance_rank(centred.values)) == pytest.approx(np.exp(entropy(variances)))
    assert float(spectrum.first_share(centred.values)) == pytest.approx(variances.sum() / variances[0])
    cosines = geometry.mean_cosine_contributions(z).mean()
    assert cosines == pytest.approx(1 - pdist(z, "cosine").mean())


@pytest.mark.parametrize(("dimensions", "first", "last"), [(150, 10, 100), (60, 2, 30)])
def test_alpha_and_the_other_ranks_are_those_of_numpy(dimensions: int, first: int, last: int) -> None:
    z = np.random.default_rng(7).normal(size=(900, dimensions)) / np.arange(1, dimensions + 1) ** 0.7
    variances = np.linalg.eigvalsh(np.cov(z.T, bias=True))[::-1]
    values = spectrum.spectrum(z, centred=True).values
    j = np.arange(first, last)
    slope, _ = np.polyfit(np.log(j), np.log(variances[first - 1 : last - 1]), 1, w=np.sqrt(1 / j))
    assert float(spectrum.alpha(values)) == pytest.approx(-slope)
    assert float(spectrum.participation_ratio(values)) == pytest.approx(variances.sum() ** 2 / (variances**2).sum())


@pytest.mark.parametrize("metric", [spectrum.rankme, spectrum.variance_rank, spectrum.first_share, spectrum.alpha])
def test_rows_add_up_to_the_metric_whatever_is_longer(metric: object) -> None:
    for shape in ((300, 40), (60, 100)):
        z = np.random.default_rng(1).normal(size=shape) * np.linspace(2, 0.2, shape[1])
        found = spectrum.spectrum(z, centred=True)
        rows = spectrum.contributions(found, metric)  # type: ignore[arg-type]
        assert rows.mean() == pytest.approx(float(metric(found.values)), rel=1e-9)  # type: ignore[operator]


def test_the_spread_of_the_rows_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(2)
    scale = 1 / np.arange(1, 13)
    values, errors = [], []
    for _ in range(300):
        z = rng.normal(size=(400, 12)) * scale
        rows = spectrum.contributions(spectrum.spectrum(z, centred=True), spectrum.variance_rank)
        values.append(rows.mean())
        errors.append(rows.std(ddof=1) / np.sqrt(len(rows)))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_noise_has_the_flattest_spectrum_so_a_spectrum_judges_nothing() -> None:
    noise = np.random.default_rng(3).normal(size=(2000, 64))
    good = np.random.default_rng(3).normal(size=(2000, 5)) @ np.random.default_rng(4).normal(size=(5, 64)) + 0.05 * noise
    ranks = [float(spectrum.rankme(spectrum.spectrum(z, centred=False).values)) for z in (noise, good)]
    assert ranks[0] > 60 > 2 * ranks[1] > 0


def test_lidar_is_the_formula_written_out() -> None:
    rng = np.random.default_rng(5)
    for items, dim in ((40, 12), (15, 60)):
        views = rng.normal(size=(items, 1, dim)) + 0.3 * rng.normal(size=(items, 3, dim))
        means = views.mean(axis=1)
        between = np.cov(means.T, bias=True)
        residuals = (views - means[:, None]).reshape(-1, dim)
        within = residuals.T @ residuals / len(residuals) + 1e-4 * np.eye(dim)
        inverse = np.linalg.inv(scipy.linalg.sqrtm(within).real)
        values = np.clip(np.linalg.eigvalsh(inverse @ between @ inverse), 0, None)
        p = values / values.sum() + 1e-7
        assert lidar(views) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-3)


def test_views_that_do_not_move_leave_the_rank_of_the_items() -> None:
    rng = np.random.default_rng(6)
    plane = rng.normal(size=(100, 2)) @ np.linalg.qr(rng.normal(size=(20, 2)))[0].T
    assert lidar(np.repeat(plane[:, None], 3, axis=1)) == pytest.approx(2, abs=0.05)


def test_what_has_no_spectrum_is_refused() -> None:
    with pytest.raises(ProtocolError, match="two finite rows"):
        spectrum.spectrum(np.zeros((1, 4)), centred=False)
    with pytest.raises(ProtocolError, match="power law"):
        spectrum.alpha(torch.ones(4, dtype=torch.float64))
    with pytest.raises(ProtocolError, match="two items"):
        lidar(np.zeros((5, 1, 3)))
