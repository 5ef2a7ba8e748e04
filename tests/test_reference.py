"""The reference runs: what they ask exists, and their page says what the records say."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import repbench
from repbench.measure.significance import paired_p_values
from repbench.strict import build
from repbench.tasks import load_catalogue
from repbench.trainers.method import find_method
from repbench.trainers.settings import TrainSettings

FOLDER = Path(__file__).resolve().parents[1] / "reference"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    found = {name: importlib.import_module(name) for name in ("comparisons", "page", "make")}
    yield found
    for name in found:
        sys.modules.pop(name, None)


def test_every_question_names_methods_options_settings_and_tasks_that_there_are(modules):
    catalogue = load_catalogue()
    for question in modules["comparisons"].QUESTIONS:
        for row in {row for pair in question.pairs for row in pair}:
            tasks = modules["make"].tasks_of(question, row)
            assert sorted(task.name for task in catalogue.select(tasks)) == sorted(tasks)
            if not row.spec:
                method = find_method(row.method)
                settings, options = row.call("small")
                TrainSettings(**{**method.defaults.__dict__, **settings})
                build(method.options, options, row.label)


def test_an_untrained_twin_stays_untrained_at_full_scale(modules):
    row = modules["comparisons"].Row(label="a", method="simclr", settings={"steps": 9, "size": 16}, options={"flip": 0.0})
    assert row.call("full") == ({}, {})
    assert row.call("small") == ({"steps": 9, "size": 16}, {"flip": 0.0})
    assert row.untrained("b").call("small")[0] == {"size": 16, "epochs": 0}
    assert row.untrained("b").call("full")[0] == {"epochs": 0}


def test_the_page_shows_the_means_the_gain_and_the_paired_test_of_the_records(modules, tmp_path):
    comparisons, page = modules["comparisons"], modules["page"]
    ours, twin = (comparisons.Row(label=name, spec=name) for name in ("control:pixels", "control:random"))
    measure = comparisons.Measure(task="knn/digits")
    question = comparisons.Question(key="a", title="Title", pairs=((ours, twin),), measures=(measure,), before="Before.")
    results = tmp_path / "results"
    for row in (ours, twin):
        repbench.evaluate(row.spec, "knn/digits", out=results, store=tmp_path / "store", quiet=True)
    given = argparse.Namespace(results=results, page=tmp_path / "page.md", seeds=1, scale="small")
    page.write([question], given)
    line = next(one for one in given.page.read_text().splitlines() if one.startswith("| control:pixels"))
    records = {record.encoder: record for record in page.read_records(results)}
    values = [records[name].value.value for name in ("control:pixels", "control:random")]
    scores = [page.read_examples(results, records[name])["score"].to_numpy() for name in ("control:pixels", "control:random")]
    p = paired_p_values(scores[0], scores[1][None], 0)[0]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[4:7] == [f"{100 * values[0]:.1f}", f"{100 * values[1]:.1f}", f"{100 * (values[0] - values[1]):+.1f}"]
    assert cells[7:] == ["1/1", f"{p:.2g}", "yes"]
    assert np.isclose(values[0], scores[0].mean())
