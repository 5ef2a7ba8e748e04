"""What calibration reports of logits, whoever gave them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from repbench.embeddings.embedded import TestSplit
from repbench.measure import calibration, classification, intervals
from repbench.outcomes import table
from repbench.protocol import Estimate, Outcome

DRAWS = 300  # of the bootstrap of what is no mean over examples


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
    are the probabilities of a model that tells no example from another: its Brier score, after a temperature of its own fitted
    on the same validation, is chance. The examples hold credit and confidence, of which a reliability diagram is made.
    """
    temperature = calibration.fit_temperature(held_out, held_out_label)
    judged = classification.judge(logits, test.truth)
    own = np.arange(len(test)), test.truth
    order = np.lexsort((judged.credit, np.round(logits.max(axis=1), 9)))  # so that the order of examples does not matter
    drawn = np.random.default_rng(seed).multinomial(len(test), np.full(len(test), 1 / len(test)), size=DRAWS)
    metrics: dict[str, Estimate] = {}
    sure: dict[str, np.ndarray] = {}
    rows: dict[str, np.ndarray] = {}
    for when, by in (("before", 1.0), ("after", temperature)):
        logarithms = calibration.log_probabilities(logits, by)
        probabilities = np.exp(logarithms)
        sure[when] = probabilities.max(axis=1)
        rows[f"brier-{when}"] = calibration.brier_rows(probabilities, test.truth)
        rows[f"nll-{when}"] = -np.maximum(logarithms[own], np.log(1e-12))
        metrics |= _of_bins(sure[when][order], judged.credit[order], when, drawn)
    metrics |= {name: _mean(values, test.clusters) for name, values in rows.items()}
    metrics |= _of_order(sure["after"][order], judged.credit[order], drawn)
    return Outcome(
        primary="brier-after",
        metrics=metrics,
        examples=table(
            {
                "id": test.ids,
                "truth": np.array(test.class_names, dtype=object)[test.truth],
                "prediction": np.array(test.class_names, dtype=object)[judged.prediction],
                "score": rows["brier-after"],
                "credit": judged.credit,
                "confidence": sure["after"],
                "confidence before": sure["before"],
                **({} if test.clusters is None else {"cluster": test.clusters}),
            }
        ),
        chance=_blind(guess, held_out_label, test.truth),
        higher_is_better=False,
        diagnostics={**diagnostics, "temperature": temperature},
    )


def _blind(guess: np.ndarray, held_out_label: np.ndarray, truth: np.ndarray) -> float:
    """The Brier score, after scaling, of a model that gives every example the probabilities `guess` (classes,).

    They are above 0 but for a class that could not be learnt, of which no example is held out: its logit is minus infinity.
    """
    with np.errstate(divide="ignore"):
        logits = np.log(guess)[None, :]
    temperature = calibration.fit_temperature(np.repeat(logits, len(held_out_label), axis=0), held_out_label)
    probabilities = np.exp(calibration.log_probabilities(logits, temperature))
    return float(np.sort(calibration.brier_rows(np.repeat(probabilities, len(truth), axis=0), truth)).mean())


def _of_bins(confidence: np.ndarray, credit: np.ndarray, when: str, drawn: np.ndarray) -> dict[str, Estimate]:
    """The two calibration errors, their intervals over draws with the bins of the data."""
    found = {}
    for name, equal_mass in ((f"ece-{when}", False), (f"ece-mass-{when}", True)):
        place = calibration.bin_places(confidence, equal_mass=equal_mass)
        member = place[:, None] == np.arange(calibration.BINS)
        excess = np.abs(drawn @ (member * (credit - confidence)[:, None])).sum(axis=1) / len(credit)
        value = calibration.expected_error(calibration.bins_of(confidence, credit, equal_mass=equal_mass))
        found[name] = _around(value, excess)
    return found


def _of_order(confidence: np.ndarray, credit: np.ndarray, drawn: np.ndarray) -> dict[str, Estimate]:
    """The risk-coverage curve's area and the accuracy at one coverage, their intervals over draws."""
    order = np.argsort(-np.round(confidence, 12), kind="stable")
    weights = drawn[:, order].astype(float)
    covered = np.cumsum(weights, axis=1)
    risk = np.cumsum(weights * calibration.falling(confidence, credit), axis=1) / np.maximum(covered, 1)
    at = (covered >= calibration.COVERAGE * len(credit)).argmax(axis=1)
    return {
        "aurc": _around(calibration.aurc(confidence, credit), (weights * risk).sum(axis=1) / len(credit)),
        "accuracy-at-80": _around(
            calibration.selective_accuracy(confidence, credit, calibration.COVERAGE), 1 - risk[np.arange(len(risk)), at]
        ),
    }


def _around(value: float, drawn: np.ndarray) -> Estimate:
    """A value with the percentiles of its draws, widened to hold it (an ECE is biased upward)."""
    low, high = intervals.percentiles(drawn)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _mean(rows: np.ndarray, clusters: np.ndarray | None) -> Estimate:
    low, high = intervals.normal_mean(rows, groups=clusters)
    return Estimate(value=float(np.sort(rows).mean()), low=low, high=high)
