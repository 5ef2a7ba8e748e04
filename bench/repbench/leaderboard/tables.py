"""From records to a board, and to its wide table: one row an encoder, one column a task. Nothing else is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from repbench.leaderboard import aggregates
from repbench.leaderboard.limits import limits_line, limits_of, titled
from repbench.results.record import DONE, UNFIT, Inputs, Record


@dataclass(frozen=True, kw_only=True)
class Board:
    """The records of a leaderboard: those that can be compared, those that are stale, and those that failed."""

    done: tuple[Record, ...]
    stale: tuple[Record, ...]
    failed: tuple[Record, ...]
    published: tuple[Record, ...] = ()  # what papers report of the same tasks: shown beside, and part of nothing
    limits: Mapping[str, int] = field(default_factory=dict)  # by task, examples a split: of those that all rows have so few of
    made: dict[str, pd.DataFrame] = field(default_factory=dict, compare=False, repr=False)  # its tables, each made once

    @cached_property
    def tasks(self) -> list[str]:
        """The names of the tasks, in the order of the columns."""
        return sorted({record.task for record in self.done})

    @cached_property
    def judging(self) -> list[str]:
        """The tasks that take part in ranks and means: all but those that only describe."""
        return sorted({record.task for record in self.done if record.judges})


def make_board(records: Iterable[Record]) -> Board:
    """Name the rows and sort records apart. Of one task only records of the same limit, with the same question and data, are
    comparable; the others are stale and never averaged in.

    Of a task full results go before those of a limit; among limits the commonest stays. Of one task the most frequent question
    stays, a declared one before one of which a run set options (among equals the first in order of its digests); and of
    several answers of one encoder the strictest. A failure for want of data that were read since (the copy was refused, and
    then taken with --deviating) is no failure any more.
    """
    found = list(records)
    answered = {_unread(one) for one in found if one.status == DONE}
    found = [one for one in found if one.status == DONE or one.inputs.dataset_fingerprint or _unread(one) not in answered]
    rows = row_names(found)
    ordered = sorted((_renamed(one, rows[named(one)]) for one in found), key=_order)
    done = [record for record in ordered if record.status == DONE]
    limits = limits_of(done)
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for record in done:
        if record.inputs.limit == limits.get(record.task):
            counts.setdefault(record.task, Counter())[_question(record)] += 1
    told = {_question(record) for record in done if record.inputs.told}
    chosen = {task: min(found, key=lambda key: (key in told, -found[key], key)) for task, found in counts.items()}
    kept: dict[tuple[str, str], Record] = {}
    stale: list[Record] = []
    for record in done:
        fits = record.inputs.limit == limits.get(record.task) and _question(record) == chosen[record.task]
        if not fits or kept.setdefault((record.task, record.encoder), record) is not record:
            stale.append(record)
    failed = {(one.task, one.encoder, one.reason): one for one in ordered if one.status != DONE}
    return Board(done=tuple(kept.values()), stale=tuple(stale), failed=tuple(failed.values()), limits=limits)


def _unread(record: Record) -> tuple[str, str, Inputs]:
    """What a failure to read the data has in common with the result that answers it: all but what is known of the data."""
    return (
        record.encoder,
        record.task,
        replace(record.inputs, dataset_fingerprint="", task_digest="", deviating=False, logit=""),
    )


def row_names(records: Iterable[Record]) -> dict[tuple[str, Inputs], str]:
    """The row of each (encoder, inputs): its name, with "[seed 1, bf16]" where a run was told so, and with the beginning of
    its fingerprint where several networks have one name.
    """
    rows: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    keys = {named(record): _said(record.inputs) for record in records}
    for (encoder, inputs), said in keys.items():
        rows.setdefault((encoder, said), set()).add(inputs.encoder_fingerprint)
    names = {}
    for (encoder, inputs), said in keys.items():
        parts = [*said, *([inputs.encoder_fingerprint[:8]] if len(rows[encoder, said]) > 1 else [])]
        names[encoder, inputs] = f"{encoder} [{', '.join(parts)}]" if parts else encoder
    return names


def named(record: Record) -> tuple[str, Inputs]:
    """By what a record belongs to a row."""
    return record.encoder, record.inputs


def stale_lines(board: Board) -> list[str]:
    """What was left out of a board and why, one line for each encoder and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in board.stale:
        found.setdefault((record.encoder, _why_stale(record, board)), []).append(record.task)
    return [f"{encoder} on {', '.join(tasks)}: {why}" for (encoder, why), tasks in found.items()]


def failed_lines(board: Board) -> list[str]:
    """What failed and why, one line for each task and reason; what an encoder only lacks a tower for is no failure."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in board.failed:
        if not is_unfit(record):
            found.setdefault((record.task, record.reason), []).append(record.encoder)
    return [f"{task}: {' '.join(reason.split())} ({', '.join(encoders)})" for (task, reason), encoders in found.items()]


def failed_count(board: Board) -> int:
    """How many results failed; what an encoder only lacks a tower for is no failure."""
    return sum(not is_unfit(record) for record in board.failed)


def limit_line(board: Board) -> str:
    """What is said above the rows where tasks have limits; empty for full results."""
    return limits_line(board.limits, board.tasks)


def task_title(board: Board, task: str) -> str:
    """The title of the column of a task: where all its rows have a limit, with it."""
    return titled(task, board.limits.get(task))


def nothing_line(board: Board) -> str:
    """What is said of a board without any result: that all failed, or that no encoder has what the tasks ask for."""
    failed = failed_count(board)
    gaps = len(board.failed) - failed
    rest = f" ({gaps} more do not fit: the encoder has no tower for the task)" if gaps else ""
    if failed:
        return f"No results: {'the one' if failed == 1 else f'all {failed}'} failed{rest}."
    return "No results" + (f": no encoder has a tower for any of the {gaps} tasks that it was asked." if gaps else ".")


def is_unfit(record: Record) -> bool:
    """Whether a task failed only because the encoder lacks what it asks for: a gap, not a failure."""
    return record.status != DONE and record.reason.startswith(UNFIT)


def _why_stale(record: Record, board: Board) -> str:
    if record.inputs.limit != board.limits.get(record.task):
        return f"a quick look (--limit {record.inputs.limit})"
    if any(one.task == record.task and _question(one) == _question(record) for one in board.done):
        return "another answer of the same encoder is shown"
    shown = {one.inputs.prompts for one in board.done if one.task == record.task}
    if record.inputs.prompts not in shown:
        theirs = "prompts of their own" if any(shown) else "the dataset's prompts"
        own = f"the prompts {record.inputs.prompts} of a file" if record.inputs.prompts else "the dataset's prompts"
        return f"{own}, where the other rows have {theirs}; a board of runs with the same prompts compares them"
    return "another version of the task, its options or its data than the other rows"


def _said(inputs: Inputs) -> tuple[str, ...]:
    return tuple(part.replace("=", " ") for part in inputs.unusual if not part.startswith("limit="))


def _order(record: Record) -> tuple[str, ...]:
    return record.task, record.encoder, record.inputs.on_bad_item, *map(str, vars(record.inputs).values())


def _renamed(record: Record, name: str) -> Record:
    return record if record.encoder == name else replace(record, encoder=name)


def _question(record: Record) -> tuple[str, str]:
    return record.inputs.task_digest, record.inputs.dataset_fingerprint


def wide_table(board: Board) -> pd.DataFrame:
    """One row for each encoder: kind, the primary metric of each task, tasks (how many it has), and its aggregates.

    `common_mean` and `common_rank` are over the common tasks (`common_tasks`), missing for an encoder that lacks one of them:
    they alone compare all rows. `mean` is over all tasks that are scored as a share of right answers (in [0, 1], higher is
    better) and that the encoder has, `normalised_mean` over the same from chance (0) to perfect (1), `mean_rank` over every
    task that it has: 1 is best, equal values share the mean of their ranks. `borda` is the share of the others that it beats.
    `place_low` and `place_high`: 95 % interval of its place by common rank over draws of tasks; `drop_low`, `drop_high`: the
    places when each task in turn is left out. A task that only describes has its column and counts nowhere. Rows are sorted
    by kind (encoders, then controls), common rank, what they were asked, mean rank and name.
    """
    if "wide" not in board.made:
        board.made["wide"] = _wide_table(board)
    return board.made["wide"].copy()


def _wide_table(board: Board) -> pd.DataFrame:
    kinds = {record.encoder: record.encoder_kind for record in board.done}
    values = value_table(board)
    by_task = {record.task: record for record in board.done}
    shares, common = _shares(board), common_tasks(board)
    chance = {task: float(c) for task in shares if (c := by_task[task].chance) is not None and c < 1}
    judged = values[board.judging]
    x = aggregates.oriented(judged, lower_is_better(board))
    complete = x[:, [task in common for task in board.judging]]
    complete[~np.isfinite(complete).all(axis=1)] = np.nan
    table = values.copy()
    table.insert(0, "kind", [kinds[name] for name in values.index])
    table["tasks"] = judged.notna().sum(axis=1)
    table["common_mean"] = values[[task for task in shares if task in common]].mean(axis=1, skipna=False)
    table["common_rank"] = aggregates.mean_rank(complete) if common else float("nan")
    table["mean"] = values[shares].mean(axis=1) if shares else float("nan")
    table["normalised_mean"] = aggregates.normalised(judged, chance)
    table["mean_rank"] = aggregates.mean_rank(x) if board.judging else float("nan")
    table["borda"] = aggregates.borda(x)
    table[["place_low", "place_high"]] = _places(complete, values.index, aggregates.rank_intervals)
    table[["drop_low", "drop_high"]] = _places(complete, values.index, aggregates.drop_one)
    table.insert(0, "encoder", values.index)
    table["_control"] = table["kind"] == "control"
    table["_few"], table["_asked"] = -table["tasks"], [row.tobytes() for row in judged.isna().to_numpy()]
    order = ["_control", "common_rank", "_few", "_asked", "mean_rank", "encoder"]
    return table.sort_values(order, kind="stable", ignore_index=True).drop(columns=["_control", "_few", "_asked"])


def common_tasks(board: Board) -> list[str]:
    """The judging tasks that all encoders have (`aggregates.common`); published rows have a say in nothing."""
    here = value_table(board)[board.judging].notna()
    published = {record.encoder for record in board.done if record.encoder_kind == "published"}
    deciding = np.array([name not in published for name in here.index], dtype=bool)
    found = aggregates.common(here.to_numpy(), deciding)
    return [task for task, is_common in zip(board.judging, found, strict=True) if is_common]


def has_gaps(board: Board) -> bool:
    """Whether an encoder lacks a task that judges: then means over an encoder's own tasks compare nothing."""
    published = {record.encoder for record in board.done if record.encoder_kind == "published"}
    return bool(value_table(board)[board.judging].drop(index=list(published)).isna().to_numpy().any())


def common_line(board: Board) -> str:
    """How far the means can be compared, in words; empty where every encoder has every task."""
    if not has_gaps(board):
        return ""
    common, tasks = common_tasks(board), board.judging
    if not common:
        return (
            f"No task is common to the encoders: their means over {len(tasks)} tasks cannot be compared, only single columns."
        )
    return (
        f"Common mean and rank are over the {len(common)} of {len(tasks)} tasks that {who_share(board)} share: compare these by"
        " them. Mean, mean rank and beats are each over the tasks that an encoder has; an encoder that lacks a common task is"
        " compared task by task only."
    )


def means_line(board: Board) -> str:
    """Which tasks are in means, in words; empty where all that judge are."""
    shares, tasks = len(_shares(board)), len(board.judging)
    return "" if shares == tasks else f"Means are over the {shares} of {tasks} tasks that score a share of right answers."


def who_share(board: Board) -> str:
    """Which of the rows have all common tasks, in words; published ones are not counted."""
    here = value_table(board)[board.judging].notna()
    published = [record.encoder for record in board.done if record.encoder_kind == "published"]
    whole = here.drop(index=list(dict.fromkeys(published)))[common_tasks(board)].all(axis=1)
    return "all rows" if whole.all() else f"{int(whole.sum())} of the {len(whole)} rows"


def _places(x: np.ndarray, index: pd.Index, of: Callable[[np.ndarray], np.ndarray]) -> pd.DataFrame:
    """Places (encoders, 2) among the encoders that have a task which judges; missing for the others."""
    here = np.isfinite(x).any(axis=1)
    places = np.full((len(x), 2), np.nan)
    if here.any():
        places[here] = of(x[here])
    return pd.DataFrame(places, index=index).astype("Int64")


def value_table(board: Board) -> pd.DataFrame:
    """The primary metrics: encoders down, tasks across, both sorted by name; NaN where there is none."""
    if "values" not in board.made:
        cells: dict[str, dict[str, float]] = {task: {} for task in board.tasks}
        for record in board.done:
            assert record.value is not None
            cells[record.task][record.encoder] = record.value.value
        names = sorted({record.encoder for record in board.done})
        board.made["values"] = pd.DataFrame(cells, index=names, columns=board.tasks, dtype=float)
    return board.made["values"].copy()


def lower_is_better(board: Board) -> list[str]:
    """The tasks of which less is better."""
    return sorted({record.task for record in board.done if not record.higher_is_better})


def _shares(board: Board) -> list[str]:
    other = {
        record.task
        for record in board.done
        if not record.higher_is_better or record.value is None or not 0 <= record.value.value <= 1
    }
    return [task for task in board.judging if task not in other]
