"""Whether probabilities mean what they say: calibration, proper scores, and how well confidence sorts right from wrong.

    ECE    sum over bins of share x |accuracy - mean confidence|, 15 bins of equal width, or of equal mass
    Brier  sum over classes of (p - [class is true])^2, between 0 and 2      a proper score: constants cannot win it
    NLL    -log p of the true class
    AURC   mean over coverages of the error among the most confident (Geifman & El-Yaniv 2017)

Equal confidences are taken in every order alike, so a model that is equally sure of all has its error as AURC.
"""

from __future__ import annotations

import math

import numpy as np

from repbench.errors import ProtocolError

COVERAGE = 0.8  # of the examples, at which selective accuracy is told
BINS = 15
COLDEST, HOTTEST = 1e-3, 1e3  # temperatures that a fit may find


def log_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Log-softmax (n, classes) of logits by a temperature."""
    from scipy.special import log_softmax

    found: np.ndarray = log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return found


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature above 0 with the least NLL (Guo et al. 2017). Raises ProtocolError where there are no examples."""
    if not len(logits):
        raise ProtocolError("a temperature needs at least one example of validation.")
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    logits = np.asarray(logits, dtype=np.float64)
    own = logits[np.arange(len(truth)), truth]

    def loss(cold: float) -> float:  # convex in 1 / T
        return float((logsumexp(logits * cold, axis=1) - own * cold).mean())

    low, high = math.log(1 / HOTTEST), math.log(1 / COLDEST)
    found = minimize_scalar(lambda logarithm: loss(math.exp(logarithm)), bounds=(low, high), method="bounded")
    return math.exp(-float(found.x))


def brier_rows(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The Brier score of each example (n,)."""
    wrong = probabilities.copy()
    wrong[np.arange(len(truth)), truth] -= 1
    rows: np.ndarray = (wrong * wrong).sum(axis=1)
    return rows


def bin_places(confidence: np.ndarray, bins: int = BINS, *, equal_mass: bool = False) -> np.ndarray:
    """The bin (n,) of each example. Of equal width: (0, 1/15], (1/15, 2/15], ...

    Of equal mass: as many examples in each; equal confidences stay together.
    """
    edges = np.quantile(confidence, np.linspace(0, 1, bins + 1)) if equal_mass else np.linspace(0, 1, bins + 1)
    places: np.ndarray = np.clip(np.searchsorted(edges[1:-1], confidence, side="left"), 0, bins - 1)
    return places


def bins_of(
    confidence: np.ndarray, credit: np.ndarray, bins: int = BINS, *, equal_mass: bool = False
) -> list[dict[str, float]]:
    """The reliability diagram: for each bin that holds examples its count, mean confidence and accuracy."""
    place = bin_places(confidence, bins, equal_mass=equal_mass)
    count = np.bincount(place, minlength=bins)
    sure, right = (np.bincount(place, weights=values, minlength=bins) for values in (confidence, credit))
    return [
        {"count": int(count[one]), "confidence": float(sure[one] / count[one]), "accuracy": float(right[one] / count[one])}
        for one in range(bins)
        if count[one]
    ]


def expected_error(bins: list[dict[str, float]]) -> float:
    """The expected calibration error of a reliability diagram."""
    total = sum(one["count"] for one in bins)
    return math.fsum(one["count"] / total * abs(one["accuracy"] - one["confidence"]) for one in bins)


def falling(confidence: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """The errors (n,) in order of falling confidence; equal confidences have their mean error each."""
    _, group = np.unique(-np.round(confidence, 12), return_inverse=True)
    means = np.bincount(group, weights=1 - np.asarray(credit, dtype=np.float64)) / np.bincount(group)
    errors: np.ndarray = means[np.sort(group)]
    return errors


def risks(confidence: np.ndarray, credit: np.ndarray) -> np.ndarray:
    """The error (n,) among the k most confident, k = 1 ... n, expected over the orders of equal confidences."""
    errors = falling(confidence, credit)
    found: np.ndarray = np.cumsum(errors) / np.arange(1, len(errors) + 1)
    return found


def aurc(confidence: np.ndarray, credit: np.ndarray) -> float:
    """Area under the risk-coverage curve: the mean of `risks`."""
    return float(risks(confidence, credit).mean())


def selective_accuracy(confidence: np.ndarray, credit: np.ndarray, coverage: float) -> float:
    """Accuracy among the most confident share `coverage` of the examples, at least one."""
    found = risks(confidence, credit)
    return float(1 - found[max(1, round(coverage * len(found))) - 1])


def auroc_rows(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative the share of positives above it; ties count half.

    The mean of either is the AUROC (the placements of DeLong et al. 1988). Raises ProtocolError where one side is empty.
    """
    if not len(positive) or not len(negative):
        raise ProtocolError(f"an AUROC needs both kinds; got {len(positive)} and {len(negative)}.")
    from scipy.stats import rankdata

    both = np.concatenate([positive, negative])
    m, n = len(positive), len(negative)
    overall = rankdata(both)
    above = (overall[:m] - rankdata(positive)) / n
    below = 1 - (overall[m:] - rankdata(negative)) / m
    return above, below


def passing(familiar: np.ndarray, foreign: np.ndarray) -> float:
    """FPR95: the share of foreign scores (m,) at or above the threshold that 95 % of the familiar (n,) pass."""
    threshold = np.sort(familiar)[math.floor(0.05 * len(familiar))]
    return float((foreign >= threshold).mean())
