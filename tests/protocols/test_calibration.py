"""What calibration states of an encoder that says nothing, on splits whose class shares differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.protocols.calibration import Calibration

COUNTS = {"train": (60, 25, 15), "val": (20, 30, 14), "test": (31, 22, 47)}
LABELS = {split: np.repeat(np.arange(3), counts) for split, counts in COUNTS.items()}


def constant() -> Embeddings:
    shared = {split: {"x": np.full((len(label), 8), 0.3, np.float32), "columns": {}} for split, label in LABELS.items()}
    for split, one in shared.items():
        one |= {"ids": np.array([f"{split}-{at}" for at in range(len(LABELS[split]))]), "class_names": ("a", "b", "c")}
    return Embeddings(
        tuning=tuple(TuningSplit(label=LABELS[split], **shared[split]) for split in ("train", "val")),
        test=(TestSplit(truth=LABELS["test"], **shared["test"]),),
        metric="accuracy",
    )


def test_the_record_tells_how_well_its_probe_is_solved_and_warns_of_the_edge_of_its_grid() -> None:
    told = Calibration().score(constant(), 0).diagnostics
    assert 0 <= told["relative_gap"] <= 1e-3
    assert told["converged"] is True
    assert told["strength"] == 1000  # of equal ones the strongest
    assert told["at_grid_edge"] is True


def test_an_encoder_that_says_nothing_scores_exactly_the_stated_chance() -> None:
    """Both are the shares of train at the temperature that fits validation best, found here by SciPy on scikit-learn's loss."""
    logits = np.log(np.array(COUNTS["train"]) / 100)

    def probabilities(heat: float, rows: int) -> np.ndarray:
        return np.repeat(softmax(logits / np.exp(heat))[None, :], rows, axis=0)

    def loss(heat: float) -> float:
        return float(log_loss(LABELS["val"], probabilities(heat, len(LABELS["val"]))))

    heat = minimize_scalar(loss, bounds=(-6, 6), method="bounded", options={"xatol": 1e-9}).x
    expected, unscaled = (
        float(((probabilities(one, 100) - np.eye(3)[LABELS["test"]]) ** 2).sum(axis=1).mean()) for one in (heat, 0)
    )
    outcome = Calibration().score(constant(), 0)
    assert outcome.chance is not None
    assert outcome.metrics["brier-after"].value == pytest.approx(outcome.chance, abs=1e-9)
    assert outcome.chance == pytest.approx(expected, abs=1e-6)
    assert outcome.metrics["brier-before"].value == pytest.approx(unscaled, abs=1e-9)
    assert abs(unscaled - outcome.chance) > 0.01  # shares as they are would not be what it scores
