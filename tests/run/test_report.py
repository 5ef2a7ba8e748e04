"""What a run tells: failures so far, in the bar and in plain lines."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

from repbench.results.record import FAILED, Metric
from repbench.run.report import Report
from tests.leaderboard.test_tables import record

PLAN = SimpleNamespace(jobs=(), open_jobs=(1, 2, 3), encoder=SimpleNamespace(name="e", load_report=None))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO) -> str:
    report = Report(stream=stream)
    for _ in range(2):  # two encoders: the second goes on counting
        report.begin(PLAN, 10)  # type: ignore[arg-type]
        report.finish(record("e", "knn/x", 0.5))
        report.finish(replace(record("e", "knn/y", 0.5), status=FAILED, reason="no such file"))
        report.advance(10)
        report.end()
    return stream.getvalue()


def test_a_pipe_gets_plain_lines_that_count_failures() -> None:
    text = told(io.StringIO())
    assert not {"\r", "\x1b"} & set(text)
    failed = [line[line.index("FAILED") :] for line in text.splitlines() if "FAILED" in line]
    assert failed == ["FAILED: no such file", "FAILED: no such file (2 failed so far)"]


def test_the_share_of_tied_examples_is_printed_where_any_tied() -> None:
    stream = io.StringIO()
    report = Report(stream=stream)
    report.begin(PLAN, 10)  # type: ignore[arg-type]
    for rate in (0.25, 0.0):
        report.finish(replace(record("e", "knn/x", 0.5), diagnostics={"tie_rate": rate}))
    first, second = [line for line in stream.getvalue().splitlines() if "knn/x" in line]
    assert first.endswith(", 25.0% tied")
    assert "tied" not in second


def test_what_a_record_warns_of_is_printed_again_where_it_was_done_before() -> None:
    stopped = {"converged": False, "unproven": [0.1]}
    records = [
        replace(record("e", "linear-probe/x", 0.5), diagnostics=stopped),
        record("e", "knn/x", 0.5),
    ]
    jobs = [SimpleNamespace(task=SimpleNamespace(name=one.task), is_done=True, is_unfit=False) for one in records]
    stream = io.StringIO()
    report = Report(stream=stream)
    report.begin(SimpleNamespace(**{**vars(PLAN), "jobs": jobs}), 0)  # type: ignore[arg-type]
    for one in records:
        report.finish(one)
    report.end()
    task, warning = stream.getvalue().splitlines()[1:]
    assert task.startswith("  linear-probe/x ")
    assert task.endswith("n = 10, done before")
    assert warning == "    warning: a fit stopped before it was proven near its optimum (at strength 0.1)"


def test_a_terminal_sees_the_count_in_the_bar_from_the_first_failure_on() -> None:
    bars = [part for part in told(Terminal()).split("\r") if part.startswith("embedding")]
    assert "failed" not in bars[0]
    assert any(bar.rstrip().endswith("1 failed]") for bar in bars)
    assert any(bar.rstrip().endswith("2 failed]") for bar in bars)


def test_the_best_blind_rule_is_printed_beside_the_score_of_a_probe() -> None:
    stream = io.StringIO()
    report = Report(stream=stream)
    report.begin(PLAN, 0)  # type: ignore[arg-type]
    one = record("e", "compositional/x", 0.75)
    report.finish(replace(one, metrics={**one.metrics, "blind-best": Metric(value=0.99, low=0.98, high=1.0)}))
    report.end()
    assert "0.7500" in stream.getvalue()
    assert "best blind rule 0.9900" in stream.getvalue()
