"""Blind figures on the board: those of the record, beside the score, in Markdown and on the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from repbench.embeddings.needs import TYPICAL
from repbench.leaderboard.blind import beside_blind, blind_section
from repbench.leaderboard.page import render_page
from repbench.leaderboard.publish import markdown
from repbench.leaderboard.tables import make_board
from repbench.results.record import DONE, Inputs, Metric, Record

PLAIN = Record(
    status=DONE,
    encoder="a|b",
    encoder_kind="encoder",
    task="knn/digits",
    protocol="knn",
    dataset="digits",
    inputs=Inputs(
        encoder_fingerprint="e",
        task_digest="t",
        dataset_fingerprint="d",
        seed=0,
        precision="fp32",
        limit=None,
        on_bad_item="fail",
    ),
    task_version=1,
    options={},
    primary="accuracy",
    metrics={"accuracy": Metric(value=0.8, low=0.7, high=0.9)},
    n=10,
    chance=0.5,
    chances={},
    versions={},
)
FIGURES = {"blind-best": 0.75, "blind-solved": 0.625, "score-where-blind-fails": 0.25, "shuffled-images": 0.5}
PROBE = replace(
    PLAIN,
    task="compositional/toy",
    protocol="compositional",
    dataset="toy",
    metrics={**PLAIN.metrics, **{name: Metric(value=value, low=None, high=None) for name, value in FIGURES.items()}},
    diagnostics={"blind": {"best": "fewest characters", "rules": {TYPICAL: 0.6875}}},
)


def cells_of(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def test_a_probe_has_a_row_with_the_figures_of_its_record() -> None:
    text = markdown(make_board([PLAIN, PROBE]))
    (row,) = [line for line in text.split("## Compositional")[1].splitlines() if line.startswith("| compositional/toy")]
    assert cells_of(row) == [
        "compositional/toy",
        "a\\|b",
        "0.800",
        "0.750",
        "0.625",
        "0.250",
        "0.500",
        "0.688",
        "fewest characters",
    ]


def test_a_figure_that_a_record_lacks_is_a_dash() -> None:
    metrics = {name: one for name, one in PROBE.metrics.items() if name != "score-where-blind-fails"}
    (_, rows, _) = blind_section(make_board([replace(PROBE, metrics=metrics)]))
    assert cells_of(rows.splitlines()[-1])[5] == "–"


def test_a_sentence_encoder_that_was_not_asked_is_said_to_be_so() -> None:
    told = {"blind": {"best": "fewest characters", "rules": {}, "not_asked": {TYPICAL: "not installed"}}}
    (_, rows, _) = blind_section(make_board([replace(PROBE, diagnostics=told)]))
    assert cells_of(rows.splitlines()[-1])[7] == "not asked"


def test_a_board_without_probes_says_nothing_of_blind_rules() -> None:
    assert not beside_blind(PLAIN)
    assert "blind" not in markdown(make_board([PLAIN]))


def test_the_page_carries_them_with_the_cell() -> None:
    page = render_page(make_board([PLAIN, PROBE]))
    match = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.S)
    assert match is not None
    data = json.loads(match.group(1))
    cells = {task["name"]: cell for task, cell in zip(data["tasks"], data["rows"][0]["cells"], strict=True)}
    assert cells["compositional/toy"]["x"]["score on the rest"] == 0.25
    assert "x" not in cells["knn/digits"]
