"""What a record says of its conventions, and the warnings that a run shows."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from repbench.datasets.dataset import Dataset
from repbench.datasets.declaration import ELEVEN_POINT
from repbench.datasets.deviations import UNKNOWN
from repbench.datasets.open import open_dataset
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.run.conventions import conventions
from repbench.run.execute import execute
from repbench.run.plan import Datasets, Job, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import Task, load_catalogue

CATALOGUE = load_catalogue()


def settings(folder: Path, limit: int | None = 20) -> Settings:
    return Settings(results=folder / "results", store=folder / "store", limit=limit)


def job(folder: Path, encoder: Encoder, **facts: object) -> Job:
    task: Task = CATALOGUE.tasks["linear-probe/digits"]
    (planned,) = make_plan(encoder, [task], Datasets(settings(folder)), settings(folder)).jobs
    assert planned.dataset is not None
    changed = replace(planned.dataset.declaration, **facts)  # type: ignore[arg-type]
    return replace(planned, dataset=replace(planned.dataset, declaration=changed))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("size=224,interpolation=bicubic", "as published (SimCLR B.8.1)"),
        ("size=32", "not the published one (224 bicubic, centre crop)"),
        ("size=224,crop_pct=0.875", "not the published one"),
        ("size=224,interpolation=bilinear", "not the published one"),
    ],
)
def test_the_preparation_is_set_beside_the_published_one(tmp_path: Path, options: str, words: str) -> None:
    encoder = load_encoder(f"random:small:resnet,{options}", LoadOptions())
    assert conventions(job(tmp_path, encoder, family="transfer"), encoder)["preprocessing"].startswith(words)
    assert "preprocessing" not in conventions(job(tmp_path, encoder), encoder)


def test_the_rule_for_difficult_objects_and_the_validation_split_are_told(tmp_path: Path) -> None:
    encoder = load_encoder("control:pixels", LoadOptions())
    told = conventions(job(tmp_path, encoder, metric=ELEVEN_POINT, family="transfer"), encoder)
    assert "not judged" in told["difficult objects"]
    assert told["validation"] == "the creators' split"
    other = conventions(job(tmp_path, encoder, metric=ELEVEN_POINT, difficult="negative"), encoder)
    assert "Ericsson" in other["difficult objects"]


def test_items_that_test_shares_with_train_are_warned_of(tmp_path: Path) -> None:
    encoder = load_encoder("control:pixels", LoadOptions())
    planned = job(tmp_path, encoder)
    assert "shared items" not in conventions(planned, encoder)
    dataset = planned.dataset
    assert isinstance(dataset, Dataset)
    leaked = replace(dataset, splits={**dataset.splits, "test": dataset.splits["train"]})
    told = conventions(replace(planned, dataset=leaked), encoder)["shared items"]
    assert told.startswith(f"{len(dataset.splits['train'])} items of test are also in what is fitted on")


def test_a_size_that_is_not_declared_is_said_with_what_was_read(tmp_path: Path) -> None:
    encoder = load_encoder("control:pixels", LoadOptions())
    planned = job(tmp_path, encoder)
    assert "size" not in conventions(planned, encoder)
    assert planned.dataset is not None
    sizes = {**planned.dataset.declaration.splits, "test": UNKNOWN}
    told = conventions(job(tmp_path, encoder, splits=sizes), encoder)["size"]
    assert told.startswith("no source states the size of this dataset")
    assert f"{len(planned.dataset.splits['test'])} examples of test were read" in told


@pytest.mark.parametrize("protocol", ["pose-robustness", "identifiability"])
def test_a_split_that_a_protocol_divides_by_itself_is_no_leak(tmp_path: Path, protocol: str) -> None:
    encoder = load_encoder("control:pixels", LoadOptions())
    task = CATALOGUE.tasks[f"{protocol}/furniture"]
    (planned,) = make_plan(encoder, [task], Datasets(settings(tmp_path)), settings(tmp_path)).jobs
    assert "shared items" not in conventions(planned, encoder)
    dataset = planned.dataset
    assert isinstance(dataset, Dataset)
    leaked = replace(dataset, splits={**dataset.splits, "test": dataset.splits["train"]})
    assert "shared items" in conventions(replace(planned, dataset=leaked), encoder)


def test_a_choice_at_an_end_of_the_grid_is_shown_in_the_run(tmp_path: Path) -> None:
    """Of a constant encoder all strengths are equal, so the strongest is chosen."""
    encoder, stream = load_encoder("control:constant", LoadOptions()), io.StringIO()
    plan = make_plan(encoder, [CATALOGUE.tasks["linear-probe/digits"]], Datasets(settings(tmp_path)), settings(tmp_path))
    (record,) = execute(plan, settings(tmp_path), Report(stream=stream))
    assert record.warnings == ("the chosen strength 100000 is an end of its grid",)
    assert "    warning: the chosen strength 100000 is an end of its grid\n" in stream.getvalue()
    unproven = replace(record, diagnostics={"converged": False, "unproven": [1e-6, 0.5]}, deviations=("JPEGs",))
    assert unproven.warnings == ("a fit stopped before it was proven near its optimum (at strength 1e-06, 0.5)", "JPEGs")
    refit = replace(record, diagnostics={"converged": False, "unproven": []})
    assert refit.warnings == ("a fit stopped before it was proven near its optimum",)


def test_the_packs_that_ship_share_nothing() -> None:
    dataset = open_dataset(CATALOGUE.dataset("digits"))
    train, test = (set(dataset.splits[name].media["image"].keys) for name in ("train", "test"))
    assert train.isdisjoint(test)
