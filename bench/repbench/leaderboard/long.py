"""The long table of a board: one row for each encoder, task and metric."""

from __future__ import annotations

import pandas as pd

from repbench.leaderboard.tables import Board, is_unfit
from repbench.results.record import Record

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


def long_table(board: Board, *, unfit: bool = False) -> pd.DataFrame:
    """One row for each encoder, task and metric, with interval and fingerprints; the primary metric of a task first.

    A task that failed has one row without a value, its metric is "failed"; with `unfit` also one that the encoder has no
    tower for.
    """
    if (key := f"long {unfit}") not in board.made:
        board.made[key] = _long_table(board, unfit)
    return board.made[key].copy()


def _long_table(board: Board, unfit: bool) -> pd.DataFrame:
    rows = [_long_row(record, name) for record in board.done for name in _metrics(record)]
    rows += [_long_row(record, "failed") for record in board.failed if unfit or not is_unfit(record)]
    rows += [_long_row(record, record.primary) for record in board.published]
    table = pd.DataFrame(rows, columns=list(LONG_COLUMNS)).astype({"value": float, "ci_low": float, "ci_high": float})
    return table.sort_values(["encoder", "task"], kind="stable", ignore_index=True)


def _metrics(record: Record) -> list[str]:
    return sorted(record.metrics, key=lambda metric: (metric != record.primary, metric))


def _long_row(record: Record, name: str) -> tuple[object, ...]:
    one = record.metrics.get(name)
    return (
        record.encoder,
        record.task,
        record.dataset,
        name,
        *((one.value, one.low, one.high) if one is not None else (None, None, None)),
        record.n,
        record.chance if name == record.primary else record.chances.get(name),
        record.inputs.seed,
        record.inputs.encoder_fingerprint,
        record.inputs.dataset_fingerprint,
        record.task_version,
        record.versions.get("repbench", ""),
    )
