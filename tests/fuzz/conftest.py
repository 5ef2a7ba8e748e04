"""The end of a fuzzing run is a table: what was tried, how often, and that nothing crashed or hung."""

from __future__ import annotations

from typing import Any

from tests.fuzz.trying import EXAMPLES, TRIED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table, where more was asked for than the few of each test run."""
    if EXAMPLES < 100 or not TRIED:
        return
    failed = {report.location[2].partition("[")[0] for report in terminalreporter.stats.get("failed", [])}
    terminalreporter.write_line(f"{'what was fuzzed':<76} times  what came of it")
    for name, times in TRIED.items():
        words = name.removeprefix("test_").replace("_", " ")
        terminalreporter.write_line(
            f"{words:<76} {times:>5}  {'see above' if name in failed else 'read, or an error in words'}"
        )
