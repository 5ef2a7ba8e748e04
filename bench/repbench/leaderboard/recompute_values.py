"""Metrics of a record once more from its examples, without intervals: clusters, novelty, groups, confidence, shots, k = 1."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

from repbench.leaderboard.shares import added_up
from repbench.measure import calibration, classification, clustering, groups
from repbench.results.record import Record

SHOTS = re.compile(r"(accuracy|mean-per-class)-(?:(\d+-shot|k1)|over-shots)")
NOVEL = re.compile(r"(auroc|fpr95)-(.+)")
GROUP = re.compile(r"(gap|equalised-odds)-(.+)")
ADDS_UP = (  # protocols of which the primary metric is what the scores of the examples add up to; a plug-in's may be anything
    "calibration",
    "equivariance",
    "identifiability",
    "lidar",
    "modality-gap",
    "pose-robustness",
    "retrieval",
    "spectrum",
    "word-order",
    "zero-shot-calibration",
)
COLUMN = {  # metric -> column of which it is the mean
    "image-to-text-recall-at-1": "image to text",
    "text-to-image-recall-at-1": "text to image",
    "image-to-text-mrr": "reciprocal rank of text",
}


def value_of(name: str, record: Record, examples: pd.DataFrame) -> float | None:
    """The value of a metric, None where the examples cannot give it (what needs embeddings or every logit)."""
    columns = set(map(str, examples))
    for needed, how in (
        ({"truth", "k-means cluster"}, _of_clusters),
        ({"foreign"}, _of_novelty),
        ({"credit", "confidence", "confidence before"}, _of_confidence),
        ({"truth", "prediction", "score"}, _of_groups),
        ({"truth", "score"}, _of_shots),
        ({"score"}, _of_column),
    ):
        if needed <= columns and (found := how(name, examples)) is not None:
            return found
    if name == "worst-group-accuracy":
        return _worst_group(record, examples)
    return added_up(record, examples) if name == record.primary and record.protocol in ADDS_UP else None


def _numbers(examples: pd.DataFrame, column: str) -> np.ndarray:
    found: np.ndarray = examples[column].to_numpy(dtype=float)
    return found


def _of_clusters(name: str, examples: pd.DataFrame) -> float | None:
    how = {"ari": clustering.adjusted_rand, "nmi": clustering.normalised_information}.get(name)
    truth = examples["truth"].to_numpy().astype(str)
    return None if how is None else float(how(clustering.contingency(examples["k-means cluster"].to_numpy(), truth)[None])[0])


def _of_novelty(name: str, examples: pd.DataFrame) -> float | None:
    said = NOVEL.fullmatch(name)
    if said is None or said[2] not in examples:
        return None
    foreign, score = examples["foreign"].to_numpy(dtype=bool), _numbers(examples, said[2])
    if said[1] == "auroc":
        return math.fsum(calibration.auroc_rows(score[~foreign], score[foreign])[0]) / int((~foreign).sum())
    return calibration.passing(score[~foreign], score[foreign])


def _of_confidence(name: str, examples: pd.DataFrame) -> float | None:
    credit, after = _numbers(examples, "credit"), _numbers(examples, "confidence")
    if name == "aurc":
        return calibration.aurc(after, credit)
    if name == "accuracy-at-80":
        return calibration.selective_accuracy(after, credit, calibration.COVERAGE)
    said = re.fullmatch(r"ece(-mass)?-(before|after)", name)
    if said is None:
        return None
    confidence = after if said[2] == "after" else _numbers(examples, "confidence before")
    return calibration.expected_error(calibration.bins_of(confidence, credit, equal_mass=bool(said[1])))


def _of_groups(name: str, examples: pd.DataFrame) -> float | None:
    said = GROUP.fullmatch(name)
    if said is None or said[2] not in examples:
        return None
    column = examples[said[2]].to_numpy()
    if said[1] == "gap":
        return groups.gap(groups.groups_of(column, _numbers(examples, "score")))
    return groups.equalised_odds_difference(column, examples["prediction"].to_numpy(), examples["truth"].to_numpy())


def _of_shots(name: str, examples: pd.DataFrame) -> float | None:
    said = SHOTS.fullmatch(name)
    column = "score" if said is None or said[2] is None else f"score at {said[2]}"
    if said is None or column not in examples:
        return None
    credit = _numbers(examples, column)
    if said[1] == "accuracy":
        return classification.accuracy(credit)
    return classification.mean_per_class(credit, np.unique(examples["truth"].to_numpy().astype(str), return_inverse=True)[1])


def _of_column(name: str, examples: pd.DataFrame) -> float | None:
    column = COLUMN.get(name)
    return float(_numbers(examples, column).mean()) if column is not None and column in examples else None


def _worst_group(record: Record, examples: pd.DataFrame) -> float | None:
    """The accuracy of the worst group of all columns by which a record was grouped."""
    by = record.diagnostics.get("groups")
    if not isinstance(by, dict) or not set(by) <= set(examples):
        return None
    credit = _numbers(examples, "score")
    found = [groups.worst(groups.groups_of(examples[name].to_numpy(), credit)) for name in by]
    return min((one.accuracy for one in found if one is not None), default=None)
