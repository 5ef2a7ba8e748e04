"""From records to tables: long (one row a metric) and wide (one row an encoder, one column a task). Nothing else is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from repbench.leaderboard import aggregates
from repbench.results.record import DONE, Record

LONG_COLUMNS = (
    "encoder",
    "task",
    "dataset",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "chance",
    "seed",
    "encoder_fingerprint",
    "dataset_fingerprint",
    "task_version",
    "repbench_version",
)


@dataclass(frozen=True, kw_only=True)
class Board:
    """The records of a leaderboard: those that can be compared, those that are stale, and those that failed."""

    done: tuple[Record, ...]
    stale: tuple[Record, ...]
    failed: tuple[Record, ...]

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks, in the order of the columns."""
        return sorted({record.task for record in self.done})


def make_board(records: Iterable[Record]) -> Board:
    """Sort records apart. Of one task, only records with the same question, data and limit are comparable: the most frequent
    combination stays (among equals the first in order of its digests), the others are stale and never averaged in.
    """
    ordered = sorted(records, key=lambda record: (record.task, record.encoder))
    done = [record for record in ordered if record.status == DONE]
    counts: dict[str, Counter[tuple[str, str, int]]] = {}
    for record in done:
        counts.setdefault(record.task, Counter())[_question(record)] += 1
    chosen = {task: min(found, key=lambda key: (-found[key], key)) for task, found in counts.items()}
    return Board(
        done=tuple(record for record in done if _question(record) == chosen[record.task]),
        stale=tuple(record for record in done if _question(record) != chosen[record.task]),
        failed=tuple(record for record in ordered if record.status != DONE),
    )


def _question(record: Record) -> tuple[str, str, int]:
    inputs = record.inputs
    return inputs.task_digest, inputs.dataset_fingerprint, -1 if inputs.limit is None else inputs.limit


def long_table(board: Board) -> pd.DataFrame:
    """One row for each encoder, task and metric, with interval and fingerprints; the primary metric of a task first."""
    rows = []
    for record in board.done:
        for name in sorted(record.metrics, key=lambda metric: (metric != record.primary, metric)):
            value = record.metrics[name]
            rows.append(
                (
                    record.encoder,
                    record.task,
                    record.dataset,
                    name,
                    value.value,
                    value.low,
                    value.high,
                    record.n,
                    record.chance if name == record.primary else None,
                    record.inputs.seed,
                    record.inputs.encoder_fingerprint,
                    record.inputs.dataset_fingerprint,
                    record.task_version,
                    record.versions.get("repbench", ""),
                )
            )
    return pd.DataFrame(rows, columns=list(LONG_COLUMNS)).sort_values(["encoder", "task"], kind="stable", ignore_index=True)


def wide_table(board: Board) -> pd.DataFrame:
    """One row for each encoder: kind, the primary metric of each task, tasks (how many it has), and its aggregates.

    `mean` is over the tasks that are scored as a share of right answers (in [0, 1], higher is better), `normalised_mean` over
    the same from chance (0) to perfect (1). `mean_rank` counts every task: 1 is best, equal values share the mean of their
    ranks. `borda` is the share of the others that it beats. All are over the tasks that an encoder has. `place_low` and
    `place_high`: 95 % interval of its place by mean rank over draws of tasks; `drop_low`, `drop_high`: the places when each
    task in turn is left out. Rows are sorted by kind (encoders, then controls), mean rank and name.
    """
    kinds = {record.encoder: record.encoder_kind for record in board.done}
    values = value_table(board)
    by_task = {record.task: record for record in board.done}
    shares = _shares(board)
    chance = {task: float(c) for task in shares if (c := by_task[task].chance) is not None and c < 1}
    x = aggregates.oriented(values, lower_is_better(board))
    table = values.copy()
    table.insert(0, "kind", [kinds[name] for name in values.index])
    table["tasks"] = values.notna().sum(axis=1)
    table["mean"] = values[shares].mean(axis=1) if shares else float("nan")
    table["normalised_mean"] = aggregates.normalised(values, chance)
    table["mean_rank"] = aggregates.mean_rank(x) if board.tasks else float("nan")
    table["borda"] = aggregates.borda(x)
    if board.tasks:
        table[["place_low", "place_high"]] = aggregates.rank_intervals(x).astype(int)
        table[["drop_low", "drop_high"]] = aggregates.drop_one(x).astype(int)
    table.insert(0, "encoder", values.index)
    table["_control"] = table["kind"] == "control"
    table = table.sort_values(["_control", "mean_rank", "encoder"], kind="stable", ignore_index=True)
    return table.drop(columns="_control")


def value_table(board: Board) -> pd.DataFrame:
    """The primary metrics: encoders down, tasks across, both sorted by name; NaN where there is none."""
    cells: dict[str, dict[str, float]] = {task: {} for task in board.tasks}
    for record in board.done:
        assert record.value is not None
        cells[record.task][record.encoder] = record.value.value
    names = sorted({record.encoder for record in board.done})
    return pd.DataFrame(cells, index=names, columns=board.tasks, dtype=float)


def lower_is_better(board: Board) -> list[str]:
    """The tasks of which less is better."""
    return sorted({record.task for record in board.done if not record.higher_is_better})


def _shares(board: Board) -> list[str]:
    other = {
        record.task
        for record in board.done
        if not record.higher_is_better or record.value is None or not 0 <= record.value.value <= 1
    }
    return [task for task in board.tasks if task not in other]
