"""What each example adds to a metric of its record, or to a part of one: poses, a kind of probe, content or style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from repbench.datasets.factors import ROLES
from repbench.leaderboard.shares import Shares, shares_of
from repbench.results.files import read_examples
from repbench.results.record import Record

OF_A_KIND = "accuracy:"  # of a compositional probe, before the name of the kind


def shares_in(record: Record, part: str, results: Path) -> Shares | None:
    """Shares that add up to the record's primary metric, or with `part` to the metric of that name."""
    examples = read_examples(results, record)
    if not part:
        return shares_of(record, examples)
    assert examples is not None
    if part.startswith(OF_A_KIND):
        found = _of_kind(part.removeprefix(OF_A_KIND), examples)
    else:
        found = _of_role(record, part, examples) if part in ROLES else _of_poses(part, examples)
    assert abs(found.added.sum() - record.metrics[part].value) < 1e-9, f"{part}: the examples do not add up to the metric"
    return found


def _of_poses(test: str, examples: pd.DataFrame) -> Shares:
    """To the mean per class of one test of poses."""
    own = examples[examples["test"] == test]
    _, place, sizes = np.unique(own["truth"].to_numpy().astype(str), return_inverse=True, return_counts=True)
    return _shares(own, own["credit"].to_numpy(dtype=float) / sizes[place] / len(sizes))


def _of_kind(kind: str, examples: pd.DataFrame) -> Shares:
    """To the accuracy among the examples of one kind."""
    own = examples[examples["subset"] == kind]
    return _shares(own, own["score"].to_numpy(dtype=float) / len(own))


def _of_role(record: Record, role: str, examples: pd.DataFrame) -> Shares:
    """To the mean skill of the factors that are content, or style, each over the rows that it is read on."""
    roles = record.diagnostics["roles"]
    skills = examples[[f"skill of {name}" for name in roles if roles[name] == role]].to_numpy(dtype=float)
    added = np.nan_to_num(skills) / (~np.isnan(skills)).sum(axis=0)  # a factor has no skill on rows that it is not read on
    return _shares(examples, added.mean(axis=1))


def _shares(examples: pd.DataFrame, added: np.ndarray) -> Shares:
    return Shares(ids=examples["id"].to_numpy().astype(str), added=added, clusters=examples["cluster"].to_numpy().astype(str))
