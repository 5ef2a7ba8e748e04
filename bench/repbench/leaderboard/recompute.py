"""Every number of a record once more, from its examples alone: no model, no embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from repbench.datasets.declaration import ELEVEN_POINT
from repbench.leaderboard import recompute_probes
from repbench.leaderboard.memberships import matrices
from repbench.leaderboard.recompute_values import value_of
from repbench.measure import average_precision, classification, intervals
from repbench.results.record import Metric, Record

AGREES = 1e-9
Found = tuple[float, tuple[float, float]]  # value, (low, high)
GEOMETRY = {"loss": "score", "alignment": "alignment", "uniformity": "uniformity"}  # metric -> column of which it is the mean


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """Problems in words, how many metrics were recomputed, and how many the examples cannot give."""

    problems: tuple[str, ...]
    recomputed: int
    impossible: int


def recompute(record: Record, examples: pd.DataFrame | None) -> Recomputed:
    """Compare each metric of a record, and its interval, with what its examples give."""
    if examples is None:
        return Recomputed(problems=("its examples are missing",), recomputed=0, impossible=len(record.metrics))
    problems = [] if len(examples) == record.n else [f"{len(examples)} examples; the record says {record.n}"]
    problems += _contradictions(examples)
    is_probe = recompute_probes.is_probe(record, examples)
    problems += recompute_probes.miscredited(record, examples) if is_probe else []
    done = 0
    for name, stored in record.metrics.items():
        how = recompute_probes.probe_metric(name, record, examples) if is_probe else _how(name, examples)
        if how is not None:
            problems += _compare(name, stored, how(examples, record.inputs.seed))
        elif (value := value_of(name, record, examples)) is not None:
            problems += _compare(name, stored, (value, (math.nan, math.nan)))
        else:
            continue
        done += 1
    return Recomputed(problems=tuple(problems), recomputed=done, impossible=len(record.metrics) - done)


def _how(name: str, examples: pd.DataFrame) -> Callable[[pd.DataFrame, int], Found] | None:
    columns = set(examples)
    if "ignored" in columns:
        return {"label-ranking-average-precision": _mean_score, "mean-average-precision": _all_points,
                ELEVEN_POINT: _eleven_points}.get(name)  # fmt: skip
    if {"truth", "prediction", "score"} <= columns:
        return {"accuracy": _mean_score, "mean-per-class": _per_class}.get(name)
    column = GEOMETRY.get(name)
    return _mean_of(column) if column in columns and column is not None else None


def _mean_score(examples: pd.DataFrame, seed: int) -> Found:
    credit = examples["score"].to_numpy(dtype=float)
    return classification.accuracy(credit), intervals.proportion(credit, seed, groups=_clusters(examples))


def _per_class(examples: pd.DataFrame, seed: int) -> Found:
    credit = examples["score"].to_numpy(dtype=float)
    _, truth = np.unique(examples["truth"].to_numpy().astype(str), return_inverse=True)
    return classification.mean_per_class(credit, truth), intervals.mean_per_class(
        credit, truth, seed, groups=_clusters(examples)
    )


def _clusters(examples: pd.DataFrame) -> np.ndarray | None:
    return examples["cluster"].to_numpy().astype(str) if "cluster" in examples else None


def _mean_of(column: str) -> Callable[[pd.DataFrame, int], Found]:
    def found(examples: pd.DataFrame, seed: int) -> Found:
        values = examples[column].to_numpy(dtype=float)
        return math.fsum(values) / len(values), intervals.normal_mean(values)

    return found


def _eleven_points(examples: pd.DataFrame, seed: int) -> Found:
    scores, truth = matrices(examples)
    return average_precision.mean(average_precision.eleven_point(scores, truth)), average_precision.bootstrap(
        scores, truth, seed
    )[0]


def _all_points(examples: pd.DataFrame, seed: int) -> Found:
    scores, truth = matrices(examples)
    return average_precision.mean(average_precision.all_points(scores, truth)), average_precision.bootstrap(
        scores, truth, seed
    )[1]


def _contradictions(examples: pd.DataFrame) -> list[str]:
    """Rows whose score is not what their prediction and truth say; a tie scores a share and is left out."""
    if not {"truth", "prediction", "score", "tied"} <= set(examples):
        return []
    plain = examples[~examples["tied"].to_numpy(dtype=bool)]
    wrong = plain[(plain["truth"] == plain["prediction"]).to_numpy() != (plain["score"].to_numpy(dtype=float) == 1)]
    if wrong.empty:
        return []
    return [f"{len(wrong)} examples score other than their prediction says, for example {wrong['id'].iloc[0]}"]


def _compare(name: str, stored: Metric, found: Found) -> list[str]:
    value, (low, high) = found
    pairs = (("", stored.value, value), (" low", stored.low, low), (" high", stored.high, high))
    return [
        f"{name}{which} is {kept}; its examples give {again:.9g}"
        for which, kept, again in pairs
        if kept is not None and math.isfinite(again) and abs(kept - again) > AGREES * max(1.0, abs(again))
    ]
