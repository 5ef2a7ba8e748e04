"""What a board says first: a leader over all only among encoders that were asked the same, and the same words everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
import pytest
from scipy.stats import rankdata

from repbench.leaderboard.judge import Verdict
from repbench.leaderboard.opening import opening_lines, opening_of
from repbench.leaderboard.page import render_page
from repbench.leaderboard.publish import markdown
from repbench.leaderboard.tables import Board, make_board
from repbench.leaderboard.terminal import board_text
from tests.leaderboard.test_page import drive
from tests.leaderboard.test_tables import record

Verdicts = Mapping[tuple[str, str], Verdict]


def board_of(scores: Mapping[str, Mapping[str, float]]) -> tuple[Board, Verdicts]:
    """A board of encoder -> task -> score, and verdicts that call the highest of each task alone really better."""
    board = make_board([record(name, task, value) for name, row in scores.items() for task, value in row.items()])
    best = {task: max(row.get(task, -1.0) for row in scores.values()) for task in board.tasks}
    cells = [(name, task, value) for name, row in scores.items() for task, value in row.items()]
    return board, {
        (name, task): Verdict(low=None, high=None, tested=True, bold=value == best[task]) for name, task, value in cells
    }


def lines_of(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    return opening_lines(opening_of(*board_of(scores)))


TASKS = [f"knn/t{place}" for place in range(10)]
UNLIKE = {  # nine encoders in three groups; no task was asked of more than four
    **{f"fashion-{k}": {"knn/fashion": 0.5 + k / 10, "linear-probe/fashion": 0.6 + k / 10} for k in range(4)},
    **{f"poses-{k}": {"pose-robustness/furniture": 0.2 + k / 10} for k in range(3)},
    **{f"words-{k}": {"retrieval/emoji": 0.1 + k / 10, "zero-shot/emoji": 0.2, "compositional/emoji": 0.3} for k in range(2)},
    "control:random": {"retrieval/emoji": 0.01, "zero-shot/emoji": 0.02, "compositional/emoji": 0.5, "knn/fashion": 0.1},
}


def test_who_was_asked_the_same_has_a_leader_by_mean_rank() -> None:
    values = np.random.default_rng(3).random((4, 10))
    scores = {name: dict(zip(TASKS, row, strict=True)) for name, row in zip("abcd", values, strict=True)}
    means = rankdata(-values, axis=0).mean(axis=1)
    first = "abcd"[int(np.argmin(means))]
    (said,) = lines_of(scores)
    wins = int((values.argmax(axis=0) == np.argmin(means)).sum())
    start = f"Over all, {first} leads: mean rank {means.min():.2f} over the 10 tasks that all 4 encoders were asked; "
    assert said.startswith(f"{start}really ahead of all others on {wins} of 10 tasks; ")
    assert "Were the tasks others of their kind, " in said


def test_encoders_of_one_mean_rank_share_the_lead() -> None:
    (said,) = lines_of({"a": {"knn/t0": 0.9, "knn/t1": 0.2}, "b": {"knn/t0": 0.1, "knn/t1": 0.8}})
    assert said.startswith(
        "Over all, a shares the lead: mean rank 1.50 over the 2 tasks that both encoders were asked; level with b"
    )


def test_a_leader_of_every_task_hangs_on_no_choice_of_tasks() -> None:
    scores = {name: dict.fromkeys(TASKS, value) for name, value in (("a", 0.9), ("b", 0.8))}
    assert lines_of(scores)[0].endswith(
        "over the 10 tasks that both encoders were asked; really ahead of all others on all 10 tasks. That does not hang on "
        "the choice of tasks: were they others of their kind, it would still be first (95 %)."
    )


def test_most_encoders_that_share_most_tasks_have_a_leader_which_is_said_to_lead_among_them() -> None:
    scores = {name: dict.fromkeys(TASKS, value) for name, value in (("a", 0.9), ("b", 0.8))} | {"c": {"knn/t0": 0.99}}
    assert lines_of(scores)[0].startswith(
        "Among the 2 of 3 encoders that were asked the same 10 tasks, a leads: mean rank 1.00; "
    )


@pytest.mark.parametrize(
    "few",
    [
        {"knn/t0": 0.9} | {f"knn/a{k}": 0.5 for k in range(9)},  # one task of ten is shared
        {f"knn/a{k}": 0.5 for k in range(10)},  # none is
    ],
)
def test_encoders_that_share_few_tasks_have_no_leader(few: dict[str, float]) -> None:
    said = lines_of({"a": dict.fromkeys(TASKS, 0.8), "b": few})
    assert said == ["No encoder leads over all: the 2 encoders were not asked the same tasks, and no two of them were."]


def test_where_few_encoders_share_tasks_each_group_that_was_asked_the_same_has_its_leader() -> None:
    assert lines_of(UNLIKE) == [
        "No encoder leads over all: the 9 encoders were not asked the same tasks. Of those that were:",
        "On knn/fashion and linear-probe/fashion, asked of 4 encoders, fashion-3 leads: mean rank 1.00; really ahead of all "
        "others on both tasks.",
        "On compositional/emoji and retrieval/emoji and zero-shot/emoji, asked of 2 encoders, words-1 is first: mean rank "
        "1.67; really ahead of all others on 1 of 3 tasks; not told apart from words-0 on 1 of "
        "3 tasks; behind control:random on 1 of 3 tasks.",
        "On pose-robustness/furniture, asked of 3 encoders, poses-2 leads: really ahead of all others on the one task.",
    ]


def test_a_control_that_stands_above_the_leader_is_named() -> None:
    scores = {name: dict.fromkeys(TASKS, value) for name, value in (("a", 0.8), ("b", 0.7), ("control:pixels", 0.9))}
    assert (
        "mean rank 2.00 over the 10 tasks that both encoders were asked; the control control:pixels above it; behind"
        in (lines_of(scores)[0])
    )


def test_one_encoder_or_a_control_leads_nobody() -> None:
    control = {"control:random": dict.fromkeys(TASKS, 0.9)}
    assert lines_of(control) == []
    board, verdicts = board_of(control | {"a": {"knn/t0": 0.1}})
    assert opening_lines(opening_of(board, verdicts)) == []
    assert "| a | not shown | behind control:random on the one task |" in markdown(board, verdicts)


def test_a_question_has_a_card_for_each_set_of_encoders_that_was_asked_it() -> None:
    scores = {f"image-{k}": {"knn/x": 0.1 * k, "knn/y": 0.2 * k, "linear-probe/x": 0.5 + 0.1 * k} for k in range(4)}
    scores |= {f"sound-{k}": {"knn/z": 0.9 - 0.1 * k} for k in range(2)}
    del scores["image-0"]["knn/y"]  # one encoder less is no other set
    cards = opening_of(*board_of(scores)).cards
    assert [(one.protocol, one.tasks, one.best, one.sure) for one in cards] == [
        ("linear-probe", ("linear-probe/x",), "image-3", "real"),
        ("knn", ("knn/x", "knn/y"), "image-3", "real"),
        ("knn", ("knn/z",), "sound-0", "real"),
    ]


@pytest.mark.parametrize("scores", [UNLIKE, {name: dict.fromkeys(TASKS, v) for name, v in (("a", 0.9), ("b<i>", 0.8))}])
def test_markdown_terminal_and_page_say_the_same(scores: Mapping[str, Mapping[str, float]], tmp_path: Path) -> None:
    board, verdicts = board_of(scores)
    lines = opening_lines(opening_of(board, verdicts))
    head = markdown(board, verdicts).split("\n## ")[0]
    listed = "".join(f"- {one}\n" for one in lines[1:])
    assert head == f"# Leaderboard\n\n{lines[0]}\n" + (f"\n{listed}" if listed else "")
    assert board_text(board, verdicts, 10_000).endswith("\n".join(lines))
    assert all(len(line) <= 60 for line in click.unstyle(board_text(board, verdicts, 60)).splitlines())
    script = """
    out.lines = [document.querySelector('#lead'), ...document.querySelectorAll('#groups li')].map(one => one.textContent);
    out.names = [...document.querySelectorAll('#lead b, #groups b')].map(one => one.textContent);
    out.cards = [...document.querySelectorAll('.card strong')].map(one => one.textContent);
    """
    seen = drive(render_page(board, verdicts), script, tmp_path)
    opening = opening_of(board, verdicts)
    assert seen["lines"] == lines
    assert seen["names"] == [line[1] for line in (opening.lead, *opening.groups) if len(line) > 1]
    assert seen["cards"] == [card.best for card in opening.cards]
    rows = re.findall(r"^\| [^|]+\? \| [^|]+ \| ([^|]+) \|", markdown(board, verdicts), re.M)
    assert rows == seen["cards"]
