"""Metrics recomputed from stored examples agree with scikit-learn and the papers' definitions, and a forged number is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, recall_score, roc_auc_score

from repbench.leaderboard.recompute import recompute
from repbench.leaderboard.recompute_values import value_of
from repbench.results.record import Metric, Record
from tests.leaderboard.test_tables import record

RNG = np.random.default_rng(11)
N = 200
TRUTH = RNG.integers(0, 4, N).astype(str)
CREDIT = (RNG.random(N) < 0.7).astype(float)
SURE = RNG.uniform(0.25, 1, N)
FOREIGN = RNG.random(N) < 0.3
GUESS = np.where(CREDIT == 1, TRUTH, ((TRUTH.astype(int) + 1) % 4).astype(str))
NEAREST = np.where(FOREIGN, GUESS, TRUTH)
LIGHT = RNG.choice(["day", "dusk"], N)


def of(protocol: str, values: dict[str, float], columns: dict[str, object], **changes: object) -> tuple[Record, pd.DataFrame]:
    metrics = {name: Metric(value=value, low=None, high=None) for name, value in values.items()}
    made = record("e", f"{protocol}/x", 0.0, primary=next(iter(values)), metrics=metrics, n=N)
    return replace(made, **changes), pd.DataFrame({"id": [f"i{k}" for k in range(N)], **columns})  # type: ignore[arg-type]


def ece(confidence: np.ndarray, credit: np.ndarray) -> float:
    """Guo et al. 2017: 15 bins of equal width, open below."""
    bins = np.ceil(confidence * 15).astype(int)
    return float(sum(abs(credit[bins == k].mean() - confidence[bins == k].mean()) * (bins == k).mean() for k in set(bins)))


PASS = np.quantile(SURE[~FOREIGN], 0.05, method="lower")  # 95 % of the familiar pass
BY_LIGHT = pd.Series(CREDIT).groupby(LIGHT).mean().tolist()
CLUSTERS = (TRUTH.astype(int) + (RNG.random(N) < 0.3)) % 4
CASES = {
    "clustering": of(
        "clustering",
        {"ari": adjusted_rand_score(TRUTH, CLUSTERS), "nmi": normalized_mutual_info_score(TRUTH, CLUSTERS)},
        {"truth": TRUTH, "k-means cluster": CLUSTERS, "score": 0.0},
    ),
    "novelty": of(
        "ood",
        {"auroc-energy": roc_auc_score(~FOREIGN, SURE), "fpr95-energy": (SURE[FOREIGN] >= PASS).mean()},
        {"score": 0.0, "foreign": FOREIGN, "energy": SURE},
    ),
    "confidence": of(
        "calibration",
        {"brier-after": 0.25, "ece-after": ece(SURE, CREDIT), "ece-before": ece(SURE**2, CREDIT),
         "accuracy-at-80": CREDIT[np.argsort(-SURE)][: int(0.8 * N)].mean(),
         "aurc": np.mean(np.cumsum(1 - CREDIT[np.argsort(-SURE)]) / np.arange(1, N + 1))},
        {"truth": TRUTH, "prediction": GUESS, "score": 0.25, "credit": CREDIT, "confidence": SURE,
         "confidence before": SURE**2},
    ),
    "groups": of(
        "groups",
        {"worst-group-accuracy": min(BY_LIGHT), "gap-light": max(BY_LIGHT) - min(BY_LIGHT)},
        {"truth": TRUTH, "prediction": GUESS, "score": CREDIT, "light": LIGHT},
        diagnostics={"groups": {"light": []}},
    ),
    "few shots": of(
        "few-shot",
        {"mean-per-class-over-shots": recall_score(TRUTH, GUESS, average="macro"), "accuracy-4-shot": FOREIGN.mean()},
        {"truth": TRUTH, "score": CREDIT, "score at 4-shot": FOREIGN.astype(float)},
    ),
    "nearest": of(
        "knn",
        {"accuracy": CREDIT.mean(), "mean-per-class-k1": recall_score(TRUTH, NEAREST, average="macro"),
         "accuracy-k1": (NEAREST == TRUTH).mean()},
        {"truth": TRUTH, "prediction": GUESS, "score": CREDIT, "score at k1": (NEAREST == TRUTH).astype(float)},
    ),
    "retrieval": of(
        "retrieval",
        {"recall-at-1": CREDIT.mean(), "image-to-text-mrr": SURE.mean()},
        {"score": CREDIT, "image to text": CREDIT, "text to image": CREDIT, "reciprocal rank of text": SURE},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_metric_is_what_the_examples_give(case: str) -> None:
    made, examples = CASES[case]
    found = recompute(made, examples)
    assert found.problems == ()
    assert (found.recomputed, found.impossible) == (len(made.metrics), 0)


@pytest.mark.parametrize("case", CASES)
def test_a_forged_metric_is_named(case: str) -> None:
    made, examples = CASES[case]
    for name, one in made.metrics.items():
        forged = replace(made, metrics={**made.metrics, name: replace(one, value=one.value + 0.01)})
        (problem,) = recompute(forged, examples).problems
        assert problem.startswith(f"{name} is ")


def test_the_primary_metric_of_a_plug_in_may_be_no_mean_of_its_scores() -> None:
    made, examples = of("my-protocol", {"median": 0.3}, {"score": SURE})
    assert value_of("median", made, examples) is None
    assert recompute(made, examples).problems == ()
