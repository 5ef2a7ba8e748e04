"""What a run tells the person who waits: one bar with a rate and an estimate, a line for each task that is finished."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from repbench.results.record import DONE, Record
from repbench.run.plan import Plan


class Report:
    """Progress of one encoder after another. `quiet` shows nothing; in a pipe plain lines are written and no bar."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._quiet, self._stream = quiet, stream or sys.stderr
        self._bar: Any = None

    def begin(self, plan: Plan, items: int) -> None:
        """A new encoder: so many items are to be embedded."""
        self._done_before = {job.task.name for job in plan.jobs if job.is_done}
        self._unfit = {job.task.name for job in plan.jobs if job.is_unfit}
        if self._quiet:
            return
        print(
            f"{plan.encoder.name}: {len(plan.open_jobs)} tasks to do, {len(self._done_before)} done before,"
            f" {len(self._unfit)} do not fit; {items} embeddings to compute",
            file=self._stream,
        )
        report = plan.encoder.load_report
        if report is not None:
            print(
                f"  loaded {len(report.filled)} tensors ({report.share_of_parameters:.1%} of the backbone's parameters);"
                f" missing {len(report.missing)}, unexpected {len(report.unexpected)},"
                f" wrong shape {len(report.wrong_shape)}",
                file=self._stream,
            )
        from tqdm.auto import tqdm

        self._bar = tqdm(
            total=items,
            desc="embedding",
            unit="item",
            file=self._stream,
            leave=False,
            disable=not (_in_notebook() or self._stream.isatty()),
        )

    def advance(self, items: int) -> None:
        """So many more items are embedded."""
        if self._bar is not None:
            self._bar.update(items)

    def finish(self, record: Record) -> None:
        """A task is finished (or was done before, or does not fit: those are counted already)."""
        if self._quiet or record.task in self._done_before or record.task in self._unfit:
            return
        line = f"  {record.task:<40} {_result(record)}"
        if self._bar is not None and not self._bar.disable:
            self._bar.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def end(self) -> None:
        """The encoder is finished."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _result(record: Record) -> str:
    if record.status != DONE or record.value is None:
        return f"FAILED: {record.reason}"
    value = record.value
    bounds = f" [{value.low:.4f}, {value.high:.4f}]" if value.low is not None and value.high is not None else ""
    skipped = f", {len(record.skipped)} skipped" if record.skipped else ""
    return f"{value.value:8.4f}{bounds} {record.primary}, n = {record.n}{skipped}"


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return bool(shell and getattr(shell, "get_ipython", lambda: None)() is not None)
