"""Robustness to pose beyond accuracy: statsmodels' prediction interval, leave-one-out, and what is too little for a line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from statsmodels.api import OLS, add_constant

from repbench.leaderboard.effective import effective, effective_section, foretold_by
from repbench.leaderboard.publish import markdown
from repbench.leaderboard.tables import Board, make_board
from tests.leaderboard.test_label_free import record


def board(typical: np.ndarray, new: np.ndarray) -> Board:
    names = [f"e{place}" for place in range(len(new))]
    return make_board(
        [
            record(name, "pose-robustness/furniture", y, **{"unknown-typical": x, "unknown-new": y})
            for name, x, y in zip(names, typical, new, strict=True)
        ]
    )


def test_the_line_and_its_interval_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=9)
    y = 0.3 + 0.8 * x + 0.2 * rng.normal(size=9)
    told = OLS(y, add_constant(x)).fit().get_prediction([[1.0, 0.7]]).summary_frame(alpha=0.05)
    expected = (told["mean"].iloc[0], told["obs_ci_lower"].iloc[0], told["obs_ci_upper"].iloc[0])
    assert foretold_by(x, y, 0.7) == pytest.approx(expected)
    assert foretold_by(x[:3], y[:3], 0.7) is None
    assert foretold_by(np.ones(9), y, 0.7) is None


def test_each_encoder_is_judged_by_the_line_of_the_others_and_one_that_stands_out_is_found() -> None:
    typical = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.5])
    noise = np.array([0.02, -0.03, 0.01, 0.02, -0.02, 0.0])
    new = expit(logit(typical) - 0.5 + noise)
    new[5] = 0.5  # loses nothing
    rows = {one.encoder: one for one in effective(board(typical, new))}
    slope, start = np.polyfit(logit(typical[:5]), logit(new[:5]), 1)
    assert rows["e5"].foretold == pytest.approx(expit(start + slope * logit(0.5)))
    text = "\n\n".join(effective_section(board(typical, new)))
    assert [line.split("|")[-2].strip() for line in text.splitlines() if line.startswith("| pose")] == ["", *[""] * 4, "above"]
    assert "## Robustness to pose beyond accuracy" in markdown(board(typical, new))


def test_accuracies_of_all_and_nothing_have_a_logit_and_few_encoders_no_line() -> None:
    rows = effective(board(np.array([0.0, 1.0, 0.5, 0.6, 0.7]), np.array([0.0, 1.0, 0.4, 0.5, 0.6])))
    assert all(one.foretold is not None and 0 < one.foretold < 1 for one in rows)
    few = board(np.array([0.3, 0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.4, 0.5]))
    assert [one.foretold for one in effective(few)] == [None] * 4
    assert effective_section(few) == []
