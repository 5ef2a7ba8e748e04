"""Metrics without labels beside probes: SciPy's correlation, the interval's coverage, and what is too little to tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from repbench.leaderboard.label_free import foretold, foretold_section, spearman
from repbench.leaderboard.page import render_page
from repbench.leaderboard.publish import markdown
from repbench.leaderboard.tables import Board, make_board
from repbench.results.record import DONE, Inputs, Metric, Record

INPUTS = Inputs(
    encoder_fingerprint="e", task_digest="t", dataset_fingerprint="d", seed=0, precision="fp32", limit=None, on_bad_item="fail"
)


def record(encoder: str, task: str, value: float, *, judges: bool = True, **more: float) -> Record:
    protocol, dataset = task.split("/")
    metrics = {name: Metric(value=one, low=None, high=None) for name, one in {"main": value, **more}.items()}
    return Record(
        status=DONE,
        encoder=encoder,
        encoder_kind="control" if encoder.startswith("control") else "encoder",
        task=task,
        protocol=protocol,
        dataset=dataset,
        inputs=replace(INPUTS, encoder_fingerprint=encoder, task_digest=task),
        task_version=1,
        options={},
        primary="main",
        metrics=metrics,
        n=10,
        chance=0.1 if judges else None,
        judges=judges,
        versions={"repbench": "9.9"},
    )


def board(free: np.ndarray, probe: np.ndarray) -> Board:
    names = ["control:a", *(f"e{place}" for place in range(1, len(free)))]
    records = [record(name, "spectrum/digits", one, judges=False, stable=-one) for name, one in zip(names, free, strict=True)]
    return make_board([*records, *(record(name, "knn/digits", one) for name, one in zip(names, probe, strict=True))])


@pytest.mark.parametrize("decimals", [6, 1])  # 1: with ties
def test_the_correlation_is_scipys_with_and_without_ties(decimals: int) -> None:
    rng = np.random.default_rng(0)
    for n in (5, 8, 30):
        x = rng.normal(size=n).round(decimals)
        y = (x + rng.normal(size=n)).round(decimals)
        told = spearman(x, y)
        assert told is not None
        assert told[0] == pytest.approx(spearmanr(x, y).statistic)
        assert told[1] < told[0] < told[2]


def test_the_interval_covers_the_true_correlation_of_normal_pairs_as_often_as_it_says() -> None:
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's of normal pairs of correlation .6
    rng = np.random.default_rng(1)
    for n in (6, 12):
        pairs = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=(600, n))
        found = [spearman(one[:, 0], one[:, 1]) for one in pairs]
        covered = np.mean([one is not None and one[1] <= truth <= one[2] for one in found])
        assert 0.92 < covered < 0.995


def test_full_agreement_of_few_encoders_is_no_certainty() -> None:
    told = spearman(np.arange(5), np.arange(5))
    assert told is not None
    assert told[0] == told[2] == 1
    assert told[1] < 0.85


def test_every_metric_of_a_label_free_task_is_set_beside_every_probe_of_its_dataset() -> None:
    free, probe = np.array([1.0, 4, 2, 5, 3, 6]), np.array([0.1, 0.5, 0.2, 0.4, 0.6, 0.7])
    found = {one.metric: one for one in foretold(board(free, probe))}
    assert found["main"].rho == pytest.approx(spearmanr(free, probe).statistic)
    assert found["stable"].rho == pytest.approx(-spearmanr(free, probe).statistic)
    assert (found["main"].n, found["main"].controls, found["main"].probe) == (6, 1, "knn")
    text = markdown(board(free, probe))
    assert "## What metrics without labels foretell" in text
    assert f"| digits    | spectrum   | main     | –              | {found['main'].rho:.2f} (" in text
    assert "up to 1 controls among them" in text
    page = render_page(board(free, probe))
    assert f'"spectrum|knn|digits":[{found["main"].rho:.6f}'.rstrip("0") in page


def test_fewer_than_five_encoders_or_equal_values_are_told_and_not_correlated() -> None:
    few = board(np.arange(4.0), np.arange(4.0))
    assert [one.rho for one in foretold(few)] == [None, None]
    assert "Fewer than 5 encoders have both, too few for a correlation: digits (4)." in foretold_section(few)
    equal = board(np.ones(6), np.arange(6.0))
    assert "– (all equal)" in "".join(foretold_section(equal))
    nan = board(np.array([np.nan, *np.arange(4.0)]), np.arange(5.0))
    assert next(one for one in foretold(nan) if one.primary).n == 4


def test_a_board_without_label_free_tasks_has_no_such_section() -> None:
    assert foretold_section(make_board([record("a", "knn/digits", 0.5)])) == []
