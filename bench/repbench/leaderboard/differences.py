"""Two encoders against each other, task by task or class by class: the paired difference, its interval, whether it is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from repbench.datasets.declaration import ELEVEN_POINT
from repbench.errors import UnknownNameError, UsageError
from repbench.leaderboard.judge import ALPHA, ReadExamples
from repbench.leaderboard.memberships import paired
from repbench.leaderboard.shares import aligned, by_cluster, shares_of
from repbench.leaderboard.tables import Board
from repbench.measure.significance import holm, paired_p_values
from repbench.results.record import Record


@dataclass(frozen=True, kw_only=True)
class Side:
    """One encoder: its records by task, and how to read their examples."""

    name: str
    records: Mapping[str, Record]
    read: ReadExamples


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the new encoder gains over the old one; more is better, also where the metric is a loss.

    `low`, `high`: 95 % interval of the gain, paired. `p`: two-sided, Holm-corrected over all that was tested together, None
    where nothing could be tested; `note` says why. `n`: examples, or clusters of them, that both have.
    """

    name: str  # of the task or class
    metric: str
    old: float | None
    new: float | None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int = 0
    note: str = ""

    @property
    def verdict(self) -> str:
        """In a word: better, worse, "no difference shown", or why nothing can be said."""
        if self.p is None or self.gain is None:
            return self.note
        if self.p > ALPHA:
            return "no difference shown"
        return "better" if self.gain > 0 else "worse"


def side(board: Board, read: ReadExamples, name: str | None = None) -> Side:
    """The row of that name, or the only encoder of a board. Raises UsageError where that is not one."""
    rows = sorted({record.encoder for record in board.done})
    if name is None:
        own = sorted({record.encoder for record in board.done if record.encoder_kind != "control"}) or rows
        if len(own) != 1:
            raise UsageError(f"which encoder? There are {len(own)}: {', '.join(own) or 'none'}. Name one with --encoder.")
        name = own[0]
    if name not in rows:
        raise UnknownNameError("encoder", name, rows, "(a row of the board)")
    return Side(name=name, records={one.task: one for one in board.done if one.encoder == name}, read=read)


def differences(old: Side, new: Side) -> list[Difference]:
    """One entry for each task that either has, in order; p is corrected over the tasks."""
    found = [
        _difference(task, old.records.get(task), new.records.get(task), old.read, new.read)
        for task in sorted({*old.records, *new.records})
    ]
    return _corrected(found)


def class_differences(old: Side, new: Side, task: str) -> list[Difference]:
    """One entry for each class of a task whose examples have one class each; p is corrected over the classes.

    Raises UnknownNameError and UsageError.
    """
    for one in (old, new):
        if task not in one.records:
            raise UnknownNameError("task", task, one.records, f"(that {one.name} has done)")
    a, b = (_by_id(one.read(one.records[task])) for one in (old, new))
    if a is None or b is None or not a.index.equals(b.index):
        raise UsageError(f"{task}: the two encoders have no examples in common, or none with one class each.")
    found = []
    for name in sorted(a["truth"].unique()):
        rows = np.stack([one.loc[a["truth"] == name, "score"].to_numpy(dtype=float) for one in (a, b)])
        old_value, new_value = rows.mean(axis=1)
        blank = Difference(name=str(name), metric="accuracy", old=float(old_value), new=float(new_value))
        found.append(_tested(blank, rows / rows.shape[1], seed=new.records[task].inputs.seed))
    return _corrected(found)


def _difference(
    task: str, old: Record | None, new: Record | None, read_old: ReadExamples, read_new: ReadExamples
) -> Difference:
    one = new or old
    assert one is not None
    blank = Difference(
        name=task,
        metric=one.primary,
        old=old.value.value if old is not None and old.value is not None else None,
        new=new.value.value if new is not None and new.value is not None else None,
    )
    if old is None or new is None:
        return replace(blank, note=f"missing in the {'old' if old is None else 'new'} one")
    if (old.inputs.task_digest, old.inputs.dataset_fingerprint) != (new.inputs.task_digest, new.inputs.dataset_fingerprint):
        return replace(blank, note="not comparable: another version of the task, its options or its data")
    if not new.judges:
        return replace(blank, note="describes: more is not better")
    assert blank.old is not None
    assert blank.new is not None
    sign = 1 if new.higher_is_better else -1
    blank = replace(blank, gain=sign * (blank.new - blank.old))
    before, after = read_old(old), read_new(new)
    rows, clusters, kept = aligned([shares_of(old, before), shares_of(new, after)])
    if len(kept) < 2 and new.primary == ELEVEN_POINT and (found := paired(before, after, new.inputs.seed)) is not None:
        return replace(blank, low=found.low, high=found.high, p=found.p, n=found.n)
    if len(kept) < 2:
        return replace(blank, note="not tested: no examples in common, or no mean over examples")
    return _tested(blank, sign * by_cluster(rows, clusters), seed=new.inputs.seed)


def _tested(blank: Difference, rows: np.ndarray, seed: int) -> Difference:
    """With gain, interval and uncorrected p, from what each example adds to the old metric and to the new one (2, n)."""
    d = rows[1] - rows[0]
    n, gain = len(d), float(d.sum())
    error = float(np.sqrt(((d - d.mean()) ** 2).sum() * n / max(n - 1, 1)))
    half = float(norm.ppf(1 - ALPHA / 2)) * error
    (p,) = paired_p_values(rows[1], rows[:1], seed)
    return replace(blank, gain=gain, low=gain - half, high=gain + half, p=float(p), n=n)


def _corrected(found: Sequence[Difference]) -> list[Difference]:
    tested = [place for place, one in enumerate(found) if one.p is not None]
    p = holm(np.array([found[place].p for place in tested], dtype=float))
    corrected = dict(zip(tested, p.tolist(), strict=True))
    return [replace(one, p=corrected[place]) if place in corrected else one for place, one in enumerate(found)]


def _by_id(examples: pd.DataFrame | None) -> pd.DataFrame | None:
    if examples is None or not {"id", "truth", "score"} <= set(examples) or "ignored" in examples:
        return None
    return examples.set_index("id").sort_index()
