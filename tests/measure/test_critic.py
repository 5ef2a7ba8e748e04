"""The critic's judge against closed forms, numerical integration and a critic that is trained by the project's own loss."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import multivariate_normal
from sklearn.feature_selection import mutual_info_regression

from repbench.cli import cli
from repbench.critic import CriticTest, judge_critic
from repbench.errors import UsageError
from repbench.measure.critic import Gaussians, info_nce, judge
from repbench.trainers.cpc import info_nce as trained_loss

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_critic.py"


@pytest.mark.parametrize(("information", "rho"), [(0.5, 0.2208), (2, 0.4258), (10, 0.7951)])
def test_the_correlation_gives_the_information(information: float, rho: float) -> None:
    pairs = Gaussians(dimensions=20, information=information)
    assert pairs.correlation == pytest.approx(rho, abs=1e-4)
    assert -10 * math.log(1 - pairs.correlation**2) == pytest.approx(information)


def test_the_log_ratio_is_that_of_the_densities() -> None:
    pairs = Gaussians(dimensions=2, information=1.5)
    x, y = pairs.draw(5, np.random.default_rng(0))
    rho = pairs.correlation
    covariance = np.block([[np.eye(2), rho * np.eye(2)], [rho * np.eye(2), np.eye(2)]])
    joint = [[multivariate_normal(np.zeros(4), covariance).logpdf([*a, *b]) for b in y] for a in x]
    alone = multivariate_normal(np.zeros(2), np.eye(2))
    expected = np.array(joint) - alone.logpdf(x)[:, None] - alone.logpdf(y)[None]
    assert pairs.log_ratio(x, y) == pytest.approx(expected)


def test_the_mean_log_ratio_of_pairs_is_the_information_as_neighbours_estimate_it() -> None:
    pairs = Gaussians(dimensions=1, information=1.0)
    x, y = pairs.draw(3000, np.random.default_rng(1))
    assert np.diag(pairs.log_ratio(x, y)).mean() == pytest.approx(1.0, abs=0.06)
    assert mutual_info_regression(x, y[:, 0], random_state=0)[0] == pytest.approx(1.0, abs=0.08)


def test_the_bound_is_log_n_less_the_loss_that_trainers_minimise() -> None:
    scores = np.random.default_rng(2).normal(size=(32, 32))
    assert info_nce(scores) == pytest.approx(math.log(32) - float(trained_loss(torch.from_numpy(scores))))


@pytest.mark.parametrize(
    ("information", "n", "expected"), [(1, 64, 0.966), (4, 16, 2.303), (4, 128, 3.349), (10, 64, 4.123), (10, 256, 5.433)]
)
def test_the_bound_of_the_true_ratio_saturates_at_log_n_as_monte_carlo_says(
    information: float, n: int, expected: float
) -> None:
    test = CriticTest(dimensions=20, information=information, sizes=(n,), blocks=max(20, 6000 // n))
    (verdict,) = judge_critic(test.pairs.log_ratio, test)
    assert verdict.bound == pytest.approx(expected, abs=0.04)
    assert verdict.bound <= min(math.log(n), information) + 0.02
    assert verdict.excess == pytest.approx(0, abs=1e-4)
    assert verdict.correlation == pytest.approx(1)
    assert verdict.slope == pytest.approx(1, abs=1e-4)
    assert verdict.top_1 == pytest.approx(verdict.top_1_optimum, abs=1e-3)


def test_what_training_leaves_free_changes_neither_correlation_nor_slope_and_a_wrong_scale_shows() -> None:
    test = CriticTest(dimensions=5, information=3, sizes=(64,), blocks=5)
    ratio = test.pairs.log_ratio
    (shifted,) = judge_critic(lambda x, y: ratio(x, y) + 5 * x[:, :1], test)
    assert (shifted.excess, shifted.correlation, shifted.slope) == pytest.approx((0, 1, 1), abs=1e-3)
    (halved,) = judge_critic(lambda x, y: 0.5 * ratio(x, y), test)
    assert halved.slope == pytest.approx(0.5, abs=1e-3)
    assert halved.correlation == pytest.approx(1)
    assert halved.excess > 0.1
    (same,) = judge_critic(lambda x, y: np.zeros((len(x), len(y))), test)
    assert (same.bound, same.top_1) == pytest.approx((0, 1 / 64))
    assert math.isnan(same.correlation)


def test_the_command_trains_a_critic_of_the_user_and_tells_a_good_one(tmp_path: Path) -> None:
    """Handbook values of such a run, d = 5, I = 3, N = 128: excess .001, correlation 1.000, slope 1.00."""
    file = tmp_path / "mine.py"
    text = EXAMPLE.read_text().replace("STEPS, BATCH = 1500, 128", "STEPS, BATCH = 600, 128")
    file.write_text(text)
    asked = ["critic", f"{file}:quadratic", "--dimensions", "5", "--information", "3", "--pairs", "128", "--blocks", "20"]
    found = CliRunner().invoke(cli, [*asked, "--json"], catch_exceptions=False)
    (verdict,) = json.loads(found.output)
    assert verdict["optimum"] == pytest.approx(2.73, abs=0.08)
    assert verdict["excess"] < 0.05
    assert verdict["correlation"] > 0.99
    assert verdict["slope"] == pytest.approx(1, abs=0.15)


def test_scores_that_are_none_are_named() -> None:
    with pytest.raises(UsageError, match=r"scores of shape \(3,\); expected finite numbers \(n, n\)"):
        judge([np.zeros(3)], [np.zeros((3, 3))])
    with pytest.raises(UsageError, match="expected at least one dimension"):
        Gaussians(dimensions=0)
