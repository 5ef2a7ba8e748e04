"""Published figures against measured ones, where there are both: the difference, and why it may be there, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repbench.encoders.published import OTHERWISE, PREPARATIONS
from repbench.leaderboard.published import Reported, convention_words
from repbench.results.record import DONE, OWN_SPLIT, PUBLISHED, Metric, Record

NEAR = {  # protocol -> points within which faithful runs of the same weights lie
    "linear-probe": 1.0,  # what differs is the validation split, the solver and the library that resizes
    "zero-shot": 0.3,  # the most by which the tables of open_clip and CLIP_benchmark differ where both have a figure
}
MOVES = {  # datasets of which the figures of other hands can lie farther off
    "caltech101": "its split is drawn at random",
    "birdsnap": "many of its links are dead",
    "voc2007": "difficult objects count by several rules",
}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A published figure, the record of the same system and task (None: not measured), and its value in the same metric."""

    reported: Reported
    record: Record | None
    measured: Metric | None = None

    @property
    def difference(self) -> float | None:
        """Measured less published, as a share."""
        return None if self.measured is None else self.measured.value - self.reported.value

    @property
    def verdict(self) -> str:
        """Whether the published figure, rounded as it is printed, lies in our 95 % interval."""
        if self.measured is None:
            return "not measured" if self.record is None else "another metric"
        low, high = self.measured.low, self.measured.high
        if low is None or high is None:
            return "no interval"
        slack = 0.5 * 10.0 ** -(2 + len(self.reported.percent.partition(".")[2]))
        if low - slack <= self.reported.value <= high + slack:
            return "agrees"
        return "above" if self.measured.value > self.reported.value else "below"


def compare_table(rows: Sequence[Reported], records: Sequence[Record], same: Mapping[str, str]) -> list[Compared]:
    """Each row with the measured ones of its system: by the pattern of the table, an equal name, or `same` (name -> system).
    A name holds with the mark that the board gives a row, and without it.

    A row of which nothing was measured comes once, without a record.
    """
    done = [record for record in records if record.status == DONE and record.encoder_kind != PUBLISHED]
    found = []
    for row in rows:
        fitting = [
            record
            for record in done
            if record.task == row.task and any(same.get(name) == row.system or row.is_of(name) for name in _names(record))
        ]
        found += [Compared(reported=row, record=record, measured=record.metrics.get(row.metric)) for record in fitting]
        if not fitting:
            found.append(Compared(reported=row, record=None))
    return found


def _names(record: Record) -> set[str]:
    """The name of its row, and without the mark of the board: "simclr [deviating]" is "simclr" too."""
    return {record.encoder, re.sub(r" \[[^\[\]]*\]$", "", record.encoder)}


def reasons(one: Compared) -> list[str]:
    """Why measured and published may differ: of the table, then of this very run."""
    words = [convention_words()[name] for name in one.reported.conventions.split()]
    record = one.record
    if record is None:
        return words
    if one.measured is None:
        words.append(f"The paper's metric is {one.reported.metric}; the record has {', '.join(sorted(record.metrics))}.")
    words += [f"The copy of the data deviates: {deviation}." for deviation in record.deviations]
    if record.inputs.limit is not None:
        words.append(f"A quick look: at most {record.inputs.limit} examples a split (--limit).")
    if record.inputs.told:
        words.append(f"The run set options of its own: {', '.join(record.inputs.told)}.")
    if record.inputs.precision != "fp32":
        words.append(f"Embedded in {record.inputs.precision}.")
    if record.skipped:
        words.append(f"{len(record.skipped)} examples could not be read and were skipped.")
    prepared = str(record.towers.get("image", {}).get("preprocessing", ""))
    wanted = "centre crop 224" if record.protocol == "fine-tune" else PREPARATIONS["linear-probe"].words
    at_224 = "size-224" in one.reported.conventions.split() and f"{wanted}," not in prepared
    if prepared and (at_224 or record.conventions.get("preprocessing", "").startswith(OTHERWISE)):
        words.append(f"The images were prepared otherwise here: {prepared}.")
    held_out = record.conventions.get("validation", "")
    if held_out not in ("", OWN_SPLIT):
        words.append(f"The validation images here: {held_out}.")
    return words


def reproduce_lines(found: Sequence[Compared]) -> list[str]:
    """A table of what was measured, then the reasons, each once with the rows that it concerns; what was not measured last."""
    from tabulate import tabulate

    both = [one for one in found if one.record is not None]
    lines: list[str] = []
    if both:
        headers = ["system", "measured by", "task", "metric", "published", "measured", "95 % interval", "difference", ""]
        table = tabulate([_row(one) for one in both], headers=headers, disable_numparse=True, colalign=_ALIGN)
        lines += [*str(table).splitlines(), "", *near_lines(both)]
        by_reason: dict[str, list[str]] = {}
        for one in both:
            for reason in reasons(one):
                by_reason.setdefault(reason, []).append(one.reported.task)
        lines += ["What may explain a difference:"] * bool(by_reason)
        lines += [f"  {reason} ({_some(tasks)})" for reason, tasks in by_reason.items()]
    missing = [one.reported for one in found if one.record is None]
    if missing:
        lines.append(f"{len(missing)} figures of {len({row.system for row in missing})} systems were not measured here.")
    return lines


def near_lines(found: Sequence[Compared]) -> list[str]:
    """Of each protocol with a known nearness: how many figures are as near, and which are not, with what can move them."""
    lines = []
    for protocol, points in NEAR.items():
        judged = [one for one in found if one.difference is not None and one.reported.task.partition("/")[0] == protocol]
        far = [one for one in judged if abs(one.difference or 0.0) > points / 100]
        if not judged:
            continue
        count = f"{len(judged) - len(far)} of {len(judged)} figures of {protocol}"
        within = "one point" if points == 1 else f"{points:g} points"
        lines.append(f"{count} are within {within}, as a faithful run of the same weights should be.")
        for one in far:
            may = MOVES.get(one.reported.dataset)
            why = f": can move more, for {may}" if may else ""
            lines.append(f"  not {one.reported.task} of {one.reported.system}{why}")
    return lines


_ALIGN = ("left", "left", "left", "left", "right", "right", "right", "right", "left")


def _row(one: Compared) -> list[str]:
    assert one.record is not None
    reported, measured = one.reported, one.measured
    shown, interval, difference = "–", "", ""
    if measured is not None:
        shown, difference = f"{100 * measured.value:.2f}", f"{100 * (measured.value - reported.value):+.2f}"
        if measured.low is not None and measured.high is not None:
            interval = f"[{100 * measured.low:.2f}, {100 * measured.high:.2f}]"
    head = [reported.system, one.record.encoder, reported.task, reported.metric]
    return [*head, reported.percent, shown, interval, difference, one.verdict]


def _some(tasks: Sequence[str]) -> str:
    names = list(dict.fromkeys(tasks))
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def table_lines(rows: Sequence[Reported]) -> list[str]:
    """A table as it was published, with the conventions of its rows, and what to type to measure it."""
    from tabulate import tabulate

    shown = [[row.system, row.protocol, row.dataset, row.metric, row.percent] for row in rows]
    headers = ["system", "protocol", "dataset", "metric", "%"]
    table = tabulate(shown, headers=headers, disable_numparse=True, colalign=("left", "left", "left", "left", "right"))
    used = dict.fromkeys(name for row in rows for name in row.conventions.split())
    encoders = sorted({row.encoder.split()[0].replace("*", "") for row in rows if row.encoder})
    tasks = sorted({row.task.partition("/")[0] + "/*" for row in rows if row.task})
    lines = [f"{rows[0].source}, {rows[0].table}", *str(table).splitlines(), ""]
    lines += ["Conventions:", *(f"  {convention_words()[name]}" for name in used)] if used else []
    if tasks:
        prepared = f",{PREPARATIONS['linear-probe'].options}" if "size-224" in used else ""
        encoder = f"{encoders[0]}{prepared}" if encoders else f"ENCODER{prepared},name='SYSTEM OF THE TABLE'"
        lines.append(f"To measure: repbench run {encoder} --tasks '{','.join(tasks)}' --data FOLDER --out results/")
    return lines
