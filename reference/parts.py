"""What each example adds to a metric of its record, or to a part of one: poses, a kind of probe, content or style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from repbench.datasets.factors import ROLES
from repbench.leaderboard.shares import Shares, shares_of
from repbench.results.files import read_examples
from repbench.results.record import Record

OF_A_KIND = "accuracy:"  # of a compositional probe, before the name of the kind
READ = "reading of "  # of identifiability, before names of factors


def value_of(record: Record, part: str) -> float:
    """The record's primary metric, the metric of the name `part`, or the mean skill by the kernel of the factors that it names:
    R² of numbers, of a category (accuracy - chance) / (1 - chance)."""
    if not part.startswith(READ):
        return record.metrics[part or record.primary].value
    names = factors_of(part)
    chance = np.array([record.diagnostics["chance"].get(name, 0.0) for name in names])
    shown = np.array([record.metrics[f"kernel-{name}"].value for name in names])
    return float(((shown - chance) / (1 - chance)).mean())


def factors_of(part: str) -> list[str]:
    """The factors of a part "reading of light, hue"."""
    return part.removeprefix(READ).split(", ")


def shares_in(record: Record, part: str, results: Path) -> Shares | None:
    """Shares that add up to the record's primary metric, or with `part` to the metric of that name."""
    examples = read_examples(results, record)
    if not part:
        return shares_of(record, examples)
    assert examples is not None
    if part.startswith(OF_A_KIND):
        found = _of_kind(part.removeprefix(OF_A_KIND), examples)
    elif part.startswith(READ):
        found = _of_factors(factors_of(part), examples)
    else:
        found = _of_role(record, part, examples) if part in ROLES else _of_poses(part, examples)
    assert abs(found.added.sum() - value_of(record, part)) < 1e-9, f"{part}: the examples do not add up to the metric"
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
    """To the mean skill of the factors that are content, or style."""
    roles = record.diagnostics["roles"]
    return _of_factors([name for name in roles if roles[name] == role], examples)


def _of_factors(names: Sequence[str], examples: pd.DataFrame) -> Shares:
    """To the mean skill of factors, each over the rows that it is read on."""
    skills = examples[[f"skill of {name}" for name in names]].to_numpy(dtype=float)
    added = np.nan_to_num(skills) / (~np.isnan(skills)).sum(axis=0)  # a factor has no skill on rows that it is not read on
    return _shares(examples, added.mean(axis=1))


def _shares(examples: pd.DataFrame, added: np.ndarray) -> Shares:
    return Shares(ids=examples["id"].to_numpy().astype(str), added=added, clusters=examples["cluster"].to_numpy().astype(str))
