"""The metrics of a compositional record once more, from what each example earned; and what it earned, from its pair scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from repbench.errors import ProtocolError
from repbench.measure import intervals, pairs
from repbench.protocols._blind import SOLVED
from repbench.protocols._composition import CANDIDATES, MACRO
from repbench.results.record import Record

Found = tuple[float, tuple[float, float]]  # value, (low, high)
How = Callable[[pd.DataFrame, int], Found]
NEEDED = {"score", "weight", "tied"}


def is_probe(record: Record, examples: pd.DataFrame) -> bool:
    """Whether the examples are those of a compositional protocol."""
    return set(examples) >= NEEDED and "rule" in record.diagnostics


def probe_metric(name: str, record: Record, examples: pd.DataFrame) -> How | None:
    """What gives a metric and its interval anew; None where the examples cannot (blind rules, shuffled images)."""
    if name == MACRO:
        return _mean_of_subsets
    if name == "blind-solved" and SOLVED in examples:
        return lambda rows, seed: _mean(rows[SOLVED].astype(float), rows, seed)
    if name == "score-where-blind-fails" and SOLVED in examples:
        return _where_blind_fails
    together = record.diagnostics.get("together")
    if isinstance(together, dict) and name in together and together[name] in examples:
        return _jointly(together[name])
    stem, colon, kind = name.partition(":")
    column = _column(stem, record, examples)
    if not column or (colon and "subset" not in examples):
        return None
    return _of_subset(column, kind if colon else None)


def miscredited(record: Record, examples: pd.DataFrame) -> list[str]:
    """Examples whose pair scores, judged by the rule of the record, earn other than they say."""
    images, captions = (_count(examples, what) for what in ("image", "caption"))
    names = [f"image_{i} caption_{c}" for i in range(images) for c in range(captions)]
    if not names or not set(names) <= set(examples):
        return []
    scores = examples[names].to_numpy(dtype=float).reshape(len(examples), images, captions)
    candidates = examples[CANDIDATES].to_numpy(dtype=np.int64) if CANDIDATES in examples else None
    try:
        judged = pairs.judge(str(record.diagnostics["rule"]), scores, candidates)
    except ProtocolError as error:
        return [str(error)]
    wrong = np.abs(judged.credits[judged.primary] - examples["score"].to_numpy(dtype=float)) > 1e-9
    if not wrong.any():
        return []
    return [f"{int(wrong.sum())} examples earn other than their pair scores say, for example {examples['id'][wrong].iloc[0]}"]


def _count(examples: pd.DataFrame, what: str) -> int:
    """How many images or captions an example has, by the names of its pair scores."""
    numbers = {
        int(word.removeprefix(f"{what}_"))
        for name in map(str, examples)
        if name.startswith("image_") and " caption_" in name
        for word in name.split()
        if word.startswith(f"{what}_")
    }
    return max(numbers, default=-1) + 1


def _column(stem: str, record: Record, examples: pd.DataFrame) -> str:
    """The column of what the examples earn by a metric; "" where there is none."""
    parted = (name.partition(":")[0] for name in record.metrics if ":" in name)
    ranked = record.primary if record.primary != MACRO else next(parted, "accuracy")
    return "score" if stem == ranked else stem if stem in examples else ""


def _of_subset(column: str, kind: str | None) -> How:
    def found(examples: pd.DataFrame, seed: int) -> Found:
        rows = examples if kind is None else examples[examples["subset"].astype(str) == kind]
        return _mean(rows[column], rows, seed)

    return found


def _mean(credit: pd.Series, rows: pd.DataFrame, seed: int) -> Found:
    values = credit.to_numpy(dtype=float)
    return math.fsum(values) / len(values), intervals.proportion(values, seed, groups=_clusters(rows))


def _mean_of_subsets(examples: pd.DataFrame, seed: int) -> Found:
    rows = examples[examples["weight"] > 0]
    credit, weight = (rows[name].to_numpy(dtype=float) for name in ("score", "weight"))
    subset = rows["subset"].to_numpy().astype(str)
    return math.fsum(credit * weight), intervals.mean_per_class(credit, subset, seed, groups=_clusters(rows))


def _where_blind_fails(examples: pd.DataFrame, seed: int) -> Found:
    rows = examples[~examples[SOLVED].to_numpy(dtype=bool) & (examples["weight"] > 0)]
    return _mean(rows["score"], rows, seed)


def _jointly(column: str) -> How:
    def found(examples: pd.DataFrame, seed: int) -> Found:
        groups = examples[column].to_numpy().astype(str)
        joint = pairs.jointly(examples["score"].to_numpy(dtype=float), groups)
        clusters = _clusters(examples)
        first = None if clusters is None else clusters[np.unique(groups, return_index=True)[1]]
        return math.fsum(joint) / len(joint), intervals.proportion(joint, seed, groups=first)

    return found


def _clusters(rows: pd.DataFrame) -> np.ndarray | None:
    return rows["cluster"].to_numpy().astype(str) if "cluster" in rows else None
