"""Tables in a terminal: nothing is wider than the window, no cell is lost, and what is best is marked without colours too."""

from __future__ import annotations

import re

import click
import pytest

from repbench.leaderboard.blocks import wrapped_name
from repbench.leaderboard.differences import Difference
from repbench.leaderboard.judge import Verdict
from repbench.leaderboard.tables import make_board
from repbench.leaderboard.terminal import board_text, differences_text, terminal_width
from tests.leaderboard.test_tables import record

LONG = "hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K,layer=projection"
TASKS = ("linear-probe/digits", "linear-probe/furniture", "knn/furniture-scenes")


def board(encoders: int) -> tuple[str, ...]:
    return (LONG, *(f"packaged:efficientnet-lite{place},size=64" for place in range(encoders - 1)))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("encoders", [2, 7, 12])
def test_no_line_is_wider_than_the_window_and_no_value_is_lost(width: int, encoders: int) -> None:
    records = [
        record(name, task, (10 * place + at) / 1000)
        for place, name in enumerate(board(encoders))
        for at, task in enumerate(TASKS)
    ]
    text = board_text(make_board(records), {(LONG, TASKS[0]): Verdict(low=None, high=None, tested=True, bold=True)}, width)
    plain = click.unstyle(text)
    assert max(map(len, plain.splitlines())) <= width
    cells = set(re.findall(r"\b0\.\d{3}\b", plain))
    assert {f"{one.value.value:.3f}" for one in records if one.value} <= cells
    assert "0.000*" in plain
    assert plain.count("0.000*") == 1


def test_a_name_breaks_where_its_parts_end_and_none_is_lost() -> None:
    assert wrapped_name("packaged:efficientnet-lite0,size=64", 14) == ["packaged:", "efficientnet-", "lite0,size=64"]
    assert "".join(wrapped_name(LONG, 12)) == LONG
    assert wrapped_name("a" * 30, 12) == ["a" * 12, "a" * 12, "a" * 6]
    assert wrapped_name("a" * 300, 12)[-1] == "a" * 11 + "…"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_differences_keep_gain_and_verdict_in_a_narrow_window(width: int) -> None:
    found = [
        Difference(name=TASKS[1], metric="accuracy", old=0.5, new=0.75, gain=0.25, low=0.2, high=0.3, p=0.001, n=200),
        Difference(name=TASKS[2], metric="accuracy", old=0.5, new=None, note="not comparable: another version of the task"),
    ]
    plain = click.unstyle(differences_text(found, LONG, "b", width=width))
    assert max(map(len, plain.splitlines())) <= width
    assert "+0.250" in plain
    assert "better" in plain
    assert ("[+0.2000, +0.3000]" in plain) == (width >= 60)


def test_a_pipe_is_as_wide_as_the_table_unless_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() == 10_000
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal_width() == 72
