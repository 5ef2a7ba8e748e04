"""Tasks that were asked of a part of the examples (`--limit`): of one task either all rows have one limit, or none has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from repbench.results.record import Record


def limits_of(done: Iterable[Record]) -> dict[str, int]:
    """By task the limit of the rows that stay, of tasks without a full result: the commonest, of equals the largest."""
    counts: dict[str, Counter[int | None]] = {}
    for record in done:
        counts.setdefault(record.task, Counter())[record.inputs.limit] += 1
    found = {}
    for task, own in counts.items():
        numbers = {limit: count for limit, count in own.items() if limit is not None}
        if len(numbers) == len(own):
            found[task] = max(numbers, key=lambda limit: (numbers[limit], limit))
    return found


def examples_words(limit: int) -> str:
    """What stands behind a task that has a limit."""
    return f"of {limit:,} examples"


def titled(name: str, limit: int | None) -> str:
    """The name of a task or of its dataset, with its limit where it has one."""
    return name if limit is None else f"{name} ({examples_words(limit)})"


def limits_line(limits: Mapping[str, int], tasks: Iterable[str]) -> str:
    """What is said above the rows of a board where tasks have limits; empty where none has."""
    whole = sorted(set(tasks) - set(limits))
    said = "at most so many a split (or one a class), the same for every row of a task"
    by_limit = {limit: sorted(task for task in limits if limits[task] == limit) for limit in sorted(set(limits.values()))}
    if not by_limit:
        return ""
    if not whole and len(by_limit) == 1:
        return f"A quick look: at most {next(iter(by_limit)):,} examples a split (or one a class)."
    parts = [f"{', '.join(own)} {examples_words(limit)}" for limit, own in by_limit.items()]
    return f"Not of all examples: {'; '.join(parts)}, {said}."
