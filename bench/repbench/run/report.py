"""What a run tells the person who waits: one bar with rate, estimate and failures so far, a line for each finished task."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from repbench.encoder import LoadReport
from repbench.encoders.published import OTHERWISE
from repbench.errors import counted
from repbench.results.record import DONE, Record
from repbench.run.plan import Plan

SHOWN = 8  # names of each kind in the load report


class Report:
    """Progress of one encoder after another. `quiet` shows nothing; in a pipe plain lines are written and no bar.

    `named`: each line begins with the encoder, since others may write beside it.
    """

    def __init__(self, *, quiet: bool = False, named: bool = False, stream: TextIO | None = None) -> None:
        self._quiet, self._named, self._stream = quiet, named, stream or sys.stderr
        self._bar: Any = None
        self.embedded = 0  # items so far
        self.failed = 0  # tasks so far, of all encoders
        self._told: set[str] = set()  # notes on the encoder that have been given

    def begin(self, plan: Plan, items: int) -> None:
        """A new encoder: so many items are to be embedded."""
        self._done_before = {job.task.name for job in plan.jobs if job.is_done}
        self._unfit = {job.task.name for job in plan.jobs if job.is_unfit}
        self._told = set()
        if self._quiet:
            return
        print(
            f"{plan.encoder.name}: {counted(len(plan.open_jobs), 'task')} to do, {len(self._done_before)} done before,"
            f" {len(self._unfit)} do not fit; {items} embeddings to compute",
            file=self._stream,
        )
        for line in load_lines(plan.encoder.load_report):
            print(line, file=self._stream)
        from tqdm.auto import tqdm

        self._bar = tqdm(
            total=items,
            desc="embedding",
            unit="item",
            file=self._stream,
            leave=False,
            dynamic_ncols=True,  # a terminal made narrower in the middle of a run breaks no line
            disable=not (_in_notebook() or self._stream.isatty()),
        )
        if self.failed:
            self._bar.set_postfix_str(f"{self.failed} failed")

    def advance(self, items: int) -> None:
        """So many more items are embedded."""
        self.embedded += items
        if self._bar is not None:
            self._bar.update(items)

    def finish(self, record: Record) -> None:
        """A task is finished (or was done before, or does not fit: those are counted already, and only warnings are told)."""
        before = record.task in self._done_before
        if self._quiet or record.task in self._unfit or (before and not record.warnings):
            return
        failed = record.status != DONE
        self.failed += failed
        so_far = f" ({self.failed} failed so far)" if failed and self.failed > 1 else ""
        begins = f"{record.encoder:<36} " if self._named else "  "
        self.line(f"{begins}{record.task:<40} {_result(record)}{', done before' * before}{so_far}")
        if failed and self._bar is not None:
            self._bar.set_postfix_str(f"{self.failed} failed")
        for words in record.warnings:
            self.line(f"    warning: {words}")
        prepared = record.conventions.get("preprocessing", "")
        if prepared.startswith(OTHERWISE) and prepared not in self._told:
            self._told.add(prepared)
            self.line(f"    note: the preprocessing is {prepared}")

    def line(self, line: str) -> None:
        """A line, above the bar where there is one."""
        if self._quiet:
            return
        if self._bar is not None and not self._bar.disable:
            self._bar.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def end(self) -> None:
        """The encoder is finished."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def load_lines(report: LoadReport | None) -> list[str]:
    """What of a checkpoint reached the network, in words and by name; nothing for an encoder that no file filled."""
    if report is None:
        return []
    total = len(report.filled) + len(report.missing) + len(report.wrong_shape)
    read = [f"from {report.container!r}"] * bool(report.container) + [f"behind {report.prefix!r}"] * bool(report.prefix)
    lists = {
        "missing, left as initialised": report.missing,
        "wrong shape, left as initialised": report.wrong_shape,
        "unexpected, not used": report.unexpected,
        "left out (heads, queues, other copies)": _parts(report.left_out),
    }
    return [
        f"  loaded {len(report.filled)} of {total} tensors of the backbone ({report.share_of_tensors:.1%}; "
        f"{report.share_of_parameters:.1%} of its parameters){', ' + ' '.join(read) if read else ''}",
        *(f"    {title}: {', '.join(names[:SHOWN])}{_more(names)}" for title, names in lists.items() if names),
    ]


def _parts(names: Sequence[str]) -> list[str]:
    """Names gathered by their first part that says something: `decoder_blocks (96)`."""
    counted = Counter(".".join(name.split(".")[: 2 if name.startswith(("module.", "model.")) else 1]) for name in names)
    return [f"{part} ({count})" for part, count in counted.most_common()]


def _more(names: Sequence[str]) -> str:
    return f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""


def _result(record: Record) -> str:
    if record.status != DONE or record.value is None:
        return f"FAILED: {record.reason}"
    value = record.value
    bounds = f" [{value.low:.4f}, {value.high:.4f}]" if value.low is not None and value.high is not None else ""
    skipped = f", {len(record.skipped)} skipped" if record.skipped else ""
    rate = float(record.diagnostics.get("tie_rate") or 0)
    tied = f", {rate:.1%} tied" if rate else ""
    best = record.metrics.get("blind-best")
    blind = f", best blind rule {best.value:.4f}" if best is not None else ""
    return f"{value.value:8.4f}{bounds} {record.primary}, n = {record.n}{blind}{tied}{skipped}"


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return bool(shell and getattr(shell, "get_ipython", lambda: None)() is not None)
