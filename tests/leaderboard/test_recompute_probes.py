"""Compositional records: every number that examples can give is computed again from them, and a forged one is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from repbench.encoders.load import load_encoder
from repbench.leaderboard.recompute import recompute
from repbench.results.files import read_examples
from repbench.results.record import Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue
from tests.datasets.test_probes import WRITERS

PROBES = ("emoji-captions", "emoji-pairs", "furniture-scenes")
NOT_FROM_EXAMPLES = {"blind-best", "shuffled-images"}

Done = tuple[Record, pd.DataFrame]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """Records of noise on an embedded probe of each form; a mean of subsets is declared for one of them."""
    root = tmp_path_factory.mktemp("probes")
    settings = Settings(results=root / "results", store=root / "store", limit=40)
    tasks = load_catalogue().select(
        ["compositional/emoji-captions", "compositional/emoji-pairs", "compositional/furniture-scenes"]
    )
    probe = tasks[0].dataset.probe
    assert probe is not None
    macro = replace(tasks[0], dataset=replace(tasks[0].dataset, probe=replace(probe, macro=True)))
    plan = make_plan(load_encoder("control:random"), [macro, *tasks[1:]], Datasets(settings), settings)
    found: dict[str, Done] = {}
    for record in execute(plan, settings, Report(quiet=True)):
        examples = read_examples(root / "results", record)
        assert examples is not None
        found[record.dataset] = (record, examples)
    return found


@pytest.mark.parametrize("name", PROBES)
def test_every_metric_but_those_of_other_scores_is_computed_again(done: dict[str, Done], name: str) -> None:
    record, examples = done[name]
    found = recompute(record, examples)
    assert found.problems == ()
    assert found.impossible == len(NOT_FROM_EXAMPLES & set(record.metrics))


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("emoji-captions", "mean-of-subsets"),
        ("emoji-captions", "accuracy"),
        ("emoji-captions", "accuracy:add-object"),
        ("emoji-captions", "pair-accuracy"),
        ("emoji-captions", "score-where-blind-fails"),
        ("emoji-pairs", "group-score"),
        ("emoji-pairs", "text-score"),
        ("emoji-pairs", "blind-solved"),
        ("furniture-scenes", "set-accuracy"),
    ],
)
def test_a_forged_metric_is_named(done: dict[str, Done], name: str, metric: str) -> None:
    record, examples = done[name]
    kept = record.metrics[metric]
    forged = replace(record, metrics={**record.metrics, metric: replace(kept, value=kept.value + 0.01)})
    assert any(problem.startswith(f"{metric} is ") for problem in recompute(forged, examples).problems)


def test_captions_that_an_example_lacks_are_not_judged_again(tmp_path: Path) -> None:
    WRITERS["crepe-laion"][1](tmp_path)
    settings = Settings(results=tmp_path / "results", store=tmp_path / "store", data=tmp_path)
    tasks = load_catalogue().select(["compositional/crepe-laion"])
    (record,) = execute(
        make_plan(load_encoder("control:constant"), tasks, Datasets(settings), settings), settings, Report(quiet=True)
    )
    examples = read_examples(tmp_path / "results", record)
    assert examples is not None
    assert sorted(examples["candidates"]) == [3, 3, 4, 4]
    assert recompute(record, examples).problems == ()
    assert recompute(record, examples.assign(candidates=5)).problems != ()


@pytest.mark.parametrize("name", PROBES)
def test_a_credit_that_the_pair_scores_do_not_earn_is_named(done: dict[str, Done], name: str) -> None:
    record, examples = done[name]
    forged = examples.assign(score=1.0, tied=False)
    assert any("earn other than their pair scores say" in problem for problem in recompute(record, forged).problems)
