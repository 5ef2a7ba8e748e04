"""What calibration reports of logits, whoever gave them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from repbench.embeddings.embedded import TestSplit
from repbench.measure import calibration, classification, intervals
from repbench.protocol import Estimate, Outcome

DRAWS = 300  # of the bootstrap of what is no mean over examples
COVERAGE = 0.8


def uncertainty_outcome(
    logits: np.ndarray,
    test: TestSplit,
    held_out: np.ndarray,
    held_out_label: np.ndarray,
    guess: np.ndarray,
    seed: int,
    diagnostics: Mapping[str, Any],
) -> Outcome:
    """Brier score (primary, after scaling), ECE, NLL before and after; AURC and accuracy at 80 % coverage.

    `logits` (n, classes) of test and `held_out` of validation, on which alone the temperature is fitted. `guess` (classes,)
    are the probabilities of a model that has seen no example: its Brier score is chance. The examples hold credit and
    confidence, of which a reliability diagram is made.
    """
    temperature = calibration.fit_temperature(held_out, held_out_label)
    judged = classification.judge(logits, test.truth)
    own = np.arange(len(test)), test.truth
    metrics: dict[str, Estimate] = {}
    sure: dict[str, np.ndarray] = {}
    rows: dict[str, np.ndarray] = {}
    for when, by in (("before", 1.0), ("after", temperature)):
        logarithms = calibration.log_probabilities(logits, by)
        probabilities = np.exp(logarithms)
        sure[when] = probabilities.max(axis=1)
        rows[f"brier-{when}"] = calibration.brier_rows(probabilities, test.truth)
        rows[f"nll-{when}"] = -np.maximum(logarithms[own], np.log(1e-12))
        metrics |= _of_bins(sure[when], judged.credit, when, seed)
    metrics |= {name: _mean(values) for name, values in rows.items()}
    metrics |= _of_order(sure["after"], judged.credit, seed)
    level = calibration.brier_rows(np.tile(guess, (len(test), 1)), test.truth).mean()
    return Outcome(
        primary="brier-after",
        metrics=metrics,
        examples=pd.DataFrame(
            {
                "id": test.ids,
                "truth": np.array(test.class_names, dtype=object)[test.truth],
                "prediction": np.array(test.class_names, dtype=object)[judged.prediction],
                "score": rows["brier-after"],
                "credit": judged.credit,
                "confidence": sure["after"],
                "confidence before": sure["before"],
            }
        ),
        chance=float(level),
        higher_is_better=False,
        diagnostics={**diagnostics, "temperature": temperature},
    )


def _of_bins(confidence: np.ndarray, credit: np.ndarray, when: str, seed: int) -> dict[str, Estimate]:
    def width(sure: np.ndarray, right: np.ndarray) -> float:
        return calibration.expected_error(calibration.bins_of(sure, right))

    def mass(sure: np.ndarray, right: np.ndarray) -> float:
        return calibration.expected_error(calibration.bins_of(sure, right, equal_mass=True))

    return {f"ece-{when}": _drawn(width, confidence, credit, seed), f"ece-mass-{when}": _drawn(mass, confidence, credit, seed)}


def _of_order(confidence: np.ndarray, credit: np.ndarray, seed: int) -> dict[str, Estimate]:
    def at_coverage(sure: np.ndarray, right: np.ndarray) -> float:
        return calibration.selective_accuracy(sure, right, COVERAGE)

    return {
        "aurc": _drawn(calibration.aurc, confidence, credit, seed),
        "accuracy-at-80": _drawn(at_coverage, confidence, credit, seed),
    }


def _drawn(metric: Any, confidence: np.ndarray, credit: np.ndarray, seed: int) -> Estimate:
    """A metric with a bootstrap interval over examples, shifted so that the value lies in it (an ECE is biased upward)."""
    order = np.lexsort((credit, np.round(confidence, 12)))
    sure, right = confidence[order], credit[order]
    value = float(metric(sure, right))
    rng = np.random.default_rng(seed)
    drawn = np.array([metric(sure[place], right[place]) for place in (_places(len(sure), rng) for _ in range(DRAWS))])
    low, high = intervals.percentiles(drawn)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _places(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(n, size=n)


def _mean(rows: np.ndarray) -> Estimate:
    low, high = intervals.normal_mean(rows)
    return Estimate(value=float(np.sort(rows).mean()), low=low, high=high)
