"""Calibration and novelty against torchmetrics, scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.covariance import LedoitWolf
from sklearn.metrics import log_loss, roc_auc_score
from torchmetrics.functional.classification import multiclass_calibration_error

from repbench.errors import ProtocolError
from repbench.measure import calibration
from repbench.measure.geometry import unit_rows
from repbench.protocols.ood import _auroc_rows, _mahalanobis, _mean

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(500, 6)) * 2
TRUTH = np.array([RNG.choice(6, p=softmax(row * 0.5)) for row in LOGITS])  # the right temperature is 2
CREDIT = (LOGITS.argmax(axis=1) == TRUTH).astype(float)
SURE = softmax(LOGITS, axis=1).max(axis=1)


def test_the_expected_calibration_error_is_that_of_torchmetrics() -> None:
    theirs = multiclass_calibration_error(
        torch.from_numpy(softmax(LOGITS, axis=1)), torch.from_numpy(TRUTH), num_classes=6, n_bins=15, norm="l1"
    )
    assert calibration.expected_error(calibration.bins_of(SURE, CREDIT)) == pytest.approx(float(theirs), abs=1e-6)


def test_bins_of_equal_mass_hold_equally_many() -> None:
    bins = calibration.bins_of(SURE, CREDIT, bins=10, equal_mass=True)
    assert [one["count"] for one in bins] == [50] * 10
    assert sum(one["count"] * one["accuracy"] for one in bins) == pytest.approx(CREDIT.sum())
    right, sure = calibration_curve(CREDIT, SURE, n_bins=10, strategy="quantile")
    assert calibration.expected_error(bins) == pytest.approx(np.abs(right - sure).mean())


def test_proper_scores_are_those_of_scikit_learn() -> None:
    probabilities = softmax(LOGITS, axis=1)
    assert -calibration.log_probabilities(LOGITS)[np.arange(500), TRUTH].mean() == pytest.approx(log_loss(TRUTH, probabilities))
    brier = ((probabilities - np.eye(6)[TRUTH]) ** 2).sum(axis=1)
    assert calibration.brier_rows(probabilities, TRUTH) == pytest.approx(brier)


def test_the_temperature_is_found_and_is_the_best_of_a_grid() -> None:
    found = calibration.fit_temperature(LOGITS, TRUTH)
    assert found == pytest.approx(2, rel=0.2)
    grid = np.exp(np.linspace(np.log(0.5), np.log(8), 2000))
    losses = [-calibration.log_probabilities(LOGITS, t)[np.arange(500), TRUTH].mean() for t in grid]
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=2e-3)
    assert calibration.fit_temperature(LOGITS * 7, TRUTH) == pytest.approx(7 * found, rel=1e-4)


def test_risks_without_ties_are_running_means() -> None:
    order = np.argsort(-SURE)
    expected = np.cumsum(1 - CREDIT[order]) / np.arange(1, 501)
    assert calibration.risks(SURE, CREDIT) == pytest.approx(expected)
    assert calibration.aurc(SURE, CREDIT) == pytest.approx(expected.mean())
    assert calibration.selective_accuracy(SURE, CREDIT, 0.8) == pytest.approx(CREDIT[order[:400]].mean())


def test_equal_confidence_sorts_nothing() -> None:
    assert calibration.aurc(np.full(500, 0.3), CREDIT) == pytest.approx(1 - CREDIT.mean())
    tied = np.round(SURE, 1)
    draws = [calibration.aurc(tied + 1e-6 * np.random.default_rng(seed).random(500), CREDIT) for seed in range(400)]
    assert calibration.aurc(tied, CREDIT) == pytest.approx(np.mean(draws), abs=2e-3)


def test_the_area_under_the_curve_and_its_interval() -> None:
    score = np.round(np.concatenate([RNG.normal(1, 1, 120), RNG.normal(0, 1, 60)]), 1)  # with ties
    foreign = np.arange(180) >= 120
    rows = _auroc_rows(score, foreign)
    assert rows.mean() == pytest.approx(roc_auc_score(~foreign, score))
    values = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        drawn = np.concatenate([rng.normal(1, 1, 120), rng.normal(0, 1, 60)])
        values.append(roc_auc_score(~foreign, drawn))
    estimate = _mean(rows)
    assert (estimate.high - estimate.low) / (2 * 1.96) == pytest.approx(np.std(values), rel=0.2)
    with pytest.raises(ProtocolError, match="both kinds"):
        calibration.auroc_rows(score, score[:0])


def test_mahalanobis_is_that_of_scikit_learns_shrunken_covariance() -> None:
    label = np.repeat([0, 1, 2], 20)
    x = unit_rows(RNG.normal(size=(60, 90)) + 2 * np.eye(3, 90)[label])  # fewer rows than dimensions
    queries = unit_rows(RNG.normal(size=(15, 90)))
    means = np.stack([x[label == one].mean(axis=0) for one in range(3)])
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(x - means[label]).covariance_)
    expected = [min((q - m) @ precision @ (q - m) for m in means) for q in queries]
    assert _mahalanobis(x, label, queries) == pytest.approx(expected, rel=1e-6)
    assert (_mahalanobis(np.ones((60, 4)), label, np.ones((5, 4))) == 0).all()
