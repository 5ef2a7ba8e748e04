"""Which feature of an encoder answers a task best, and how much hangs on the choice. From records, and nothing else.

The best on test is not a score to report: it was chosen by what it is judged by. Where a protocol tunes on a validation split,
its records hold the validation score, and the feature that it chooses is an honest choice. The spread says what hangs on it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from repbench.leaderboard.publish import csv_text
from repbench.results.record import DONE, Record

_ROW = re.compile(r"^(?P<encoder>.+)\[(?P<feature>[^\[\]]+)\]$")
FILE = "features.csv"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One task of one encoder: features from best to worst on test, and the one that validation chooses ("": none)."""

    encoder: str
    task: str
    values: dict[str, float]
    chosen: str

    @property
    def best(self) -> str:
        """The best on test."""
        return next(iter(self.values))

    @property
    def spread(self) -> float:
        """The best less the worst on test, in the metric's own unit."""
        return abs(next(iter(self.values.values())) - next(reversed(self.values.values())))


def features_table(records: Iterable[Record]) -> pd.DataFrame:
    """One row an encoder, task and feature: value with interval, validation score (NaN where none is kept), chosen."""
    rows = []
    for record in records:
        match = _ROW.match(record.encoder)
        if match is None or record.status != DONE or record.value is None:
            continue
        rows.append(
            {
                "encoder": match["encoder"],
                "feature": match["feature"],
                "task": record.task,
                "metric": record.primary,
                "value": record.value.value,
                "ci_low": record.value.low,
                "ci_high": record.value.high,
                "validation": validation_score(record),
                "higher_is_better": record.higher_is_better,
            }
        )
    columns = ["encoder", "feature", "task", "metric", "value", "ci_low", "ci_high", "validation", "higher_is_better"]
    table = pd.DataFrame(rows, columns=columns)
    best = table.dropna(subset=["validation"]).groupby(["encoder", "task"])["validation"].idxmax()
    table["chosen"] = table.index.isin(best)
    return table


def validation_score(record: Record) -> float:
    """The score by which a probe chose its strength, of the strength that it chose; NaN where the record keeps none."""
    tried = record.diagnostics.get("validation")
    if not isinstance(tried, Sequence) or isinstance(tried, str):
        return math.nan
    return max((float(one["score"]) for one in tried if isinstance(one, dict) and "score" in one), default=math.nan)


def choices(table: pd.DataFrame) -> list[Choice]:
    """What each encoder's choice is worth, task by task."""
    found = []
    for (encoder, task), rows in table.groupby(["encoder", "task"], sort=True):
        ordered = rows.sort_values("value", ascending=not bool(rows["higher_is_better"].iloc[0]), kind="stable")
        chosen = rows.loc[rows["chosen"], "feature"].tolist()
        values = dict(zip(ordered["feature"], ordered["value"].astype(float), strict=True))
        found.append(Choice(encoder=str(encoder), task=str(task), values=values, chosen=chosen[0] if chosen else ""))
    return found


def features_lines(table: pd.DataFrame) -> Iterator[str]:
    """The choices as a table, and how it is to be read."""
    from tabulate import tabulate

    rows = [
        [one.encoder, one.task, one.chosen or "–", one.values.get(one.chosen), one.best, one.values[one.best], one.spread]
        for one in choices(table)
    ]
    headers = ["encoder", "task", "chosen on validation", "its score", "best on test", "its score", "spread of features"]
    yield str(tabulate(rows, headers=headers, floatfmt=".3f", missingval="–"))
    yield "The best on test was chosen by what judges it: report the one chosen on validation, and the spread."


def write_features(table: pd.DataFrame, folder: Path) -> Path:
    """Write the table to `features.csv` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(csv_text(table, "%.6g"), encoding="utf-8")
    return path
