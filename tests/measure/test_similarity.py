"""Similarity of encoders against the formulas written out and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from repbench.errors import ProtocolError
from repbench.measure import similarity

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(80, 12)), RNG.normal(size=(80, 30))


def test_cka_is_hsic_over_its_norms() -> None:
    centre = np.eye(80) - 1 / 80
    k, g = centre @ X @ X.T @ centre, centre @ Y @ Y.T @ centre
    expected = np.trace(k @ g) / np.sqrt(np.trace(k @ k) * np.trace(g @ g))
    assert similarity.cka(X, Y, unbiased=False) == pytest.approx(expected)


def test_unbiased_cka_of_unrelated_encoders_is_zero_on_average() -> None:
    found = [
        (similarity.cka(a, b), similarity.cka(a, b, unbiased=False))
        for a, b in ((RNG.normal(size=(30, 40)), RNG.normal(size=(30, 40))) for _ in range(100))
    ]
    unbiased, plain = np.mean(found, axis=0)
    assert abs(unbiased) < 0.02
    assert plain > 0.4


def test_rotation_and_scale_change_nothing() -> None:
    turned = 3 * X @ np.linalg.qr(RNG.normal(size=(12, 12)))[0]
    assert similarity.cka(X, turned) == pytest.approx(1)
    assert similarity.rsa(X, turned) == pytest.approx(1)
    assert similarity.mutual_neighbours(X, turned) == 1


def test_rsa_is_spearman_of_cosine_distances() -> None:
    related = X @ RNG.normal(size=(12, 5))
    expected = spearmanr(pdist(X, "cosine"), pdist(related, "cosine")).statistic
    assert similarity.rsa(X, related) == pytest.approx(expected, abs=1e-6)


def test_shared_neighbours_of_unrelated_encoders_are_those_of_chance() -> None:
    assert similarity.mutual_neighbours(X, Y, k=10) == pytest.approx(10 / 79, abs=0.04)


def test_the_interval_is_that_of_repeated_draws() -> None:
    mix = RNG.normal(size=(12, 12))
    values, widths = [], []
    for _ in range(150):
        x = RNG.normal(size=(200, 12))
        value, low, high = similarity.jackknife(x, x @ mix, similarity.cka)
        values.append(value)
        widths.append(high - low)
    assert np.mean(widths) == pytest.approx(2 * 2.26 * np.std(values), rel=0.25)


def test_a_constant_encoder_is_like_nothing_and_bad_input_is_refused() -> None:
    assert np.isnan(similarity.cka(X, np.ones((80, 3))))
    assert np.isnan(similarity.rsa(X, np.ones((80, 3))))
    assert np.isnan(similarity.mutual_neighbours(X, np.ones((80, 3))))
    assert np.isnan(similarity.mutual_neighbours(np.zeros((80, 3)), X))
    with pytest.raises(ProtocolError, match="the same four items"):
        similarity.cka(X, Y[:50])
