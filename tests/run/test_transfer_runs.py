"""Every transfer dataset by every source that it declares, on tiny copies: its tasks are listed, planned and run, offline."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub.constants
import pytest
import torch

from repbench.datasets.declaration import Content, DatasetDeclaration, Prompts, Validation
from repbench.datasets.fetch.places import is_here
from repbench.embeddings.options import ExtractOptions
from repbench.encoder import Encoder, Tower
from repbench.encoders.preprocess import ImagePreprocess
from repbench.results.record import DONE
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import Task, load_catalogue
from tests.datasets.copies import WRITERS
from tests.datasets.layout_copies import LAYOUTS

CATALOGUE = load_catalogue()
TRANSFER = [name for name, one in CATALOGUE.datasets.items() if one.family == "transfer"]
PAIRS = [(name, source) for name in TRANSFER for source in CATALOGUE.dataset(name).sources]
EVERY = {name: CATALOGUE.dataset(name).sources for name in TRANSFER}
IN_FULL = {(name, [*EVERY[name]][place % len(EVERY[name])]) for place, name in enumerate(TRANSFER)}  # one source of each
CHEAP = {"knn", "zero-shot", "fine-tune"}  # what is run by the other sources, whose items are the same
SEVERAL = {"linear-probe", "zero-shot", "fine-tune"}  # what can be asked where images have several classes


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something called out")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets-cache")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def few(name: str, source: str, root: Path) -> DatasetDeclaration:
    """A declaration of three of its classes, one with a slash where there is one, with three images of each in a split."""
    real = CATALOGUE.dataset(name)
    assert not isinstance(real.classes, int)
    middle = next((one for one in real.classes if "/" in one), real.classes[1])
    is_fixed = (name, source) == ("voc2007", "torchvision")  # its layout has no file that names the classes
    classes = real.classes if is_fixed else (real.classes[0], middle, real.classes[-1])
    assert real.prompts is not None
    names = {one: real.prompts.names[one] for one in classes if one in real.prompts.names}
    return replace(
        real,
        classes=classes,
        splits=dict.fromkeys(real.splits, 3 * len(classes)),
        sources={source: real.sources[source]},
        validation=Validation(per_class=1) if real.validation else None,
        content=replace(Content(), lossless=real.content.lossless),
        prompts=Prompts(templates=real.prompts.templates[:2], names=names),
        path=root / "declared.toml",
    )


def copy(name: str, source: str, root: Path) -> tuple[list[Task], Settings]:
    """The tasks of a dataset on a copy of it below `root`, fine-tuning for two steps; and the settings to run them with."""
    declared = few(name, source, root / "data")
    if source == "torchvision":
        labels = [*range(declared.class_count)] * 3
        LAYOUTS[name](root / "data", declared.classes, dict.fromkeys(declared.splits, labels))
    else:
        WRITERS[source](root / "data", declared, dict(declared.sources[source]))
    tasks = [task for task in CATALOGUE.tasks.values() if task.dataset is not None and task.dataset.name == name]
    short = [task.with_options({"steps": 2, "grid": "1x1"}) if task.costly else task for task in tasks]
    given = Settings(results=root / "results", store=root / "store", data=root / "data", deviating=True)
    return [replace(task, dataset=declared) for task in short], given


class Tally(list[int]):
    """Counts that copies of a network share."""

    def __deepcopy__(self, _: object) -> Tally:
        return self


class Counted(torch.nn.Sequential):
    """A network that tells how many items went through it."""

    def __init__(self, *parts: torch.nn.Module) -> None:
        super().__init__(*parts)
        self.items = Tally()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.items.append(len(inputs))
        return super().forward(inputs)  # type: ignore[no-any-return]


class Said:
    """A text as numbers that its letters decide."""

    def __call__(self, text: str) -> torch.Tensor:
        return torch.randn(8, generator=torch.Generator().manual_seed(sum(text.encode())))


def two_towers() -> Encoder:
    """A little network for images, and one for texts."""
    torch.manual_seed(0)
    image = Counted(torch.nn.Flatten(), torch.nn.Linear(192, 8)).eval()
    towers = {
        "image": Tower(prepare=ImagePreprocess(size=8, resize=8), module=image, dim=8, fingerprint="image"),
        "text": Tower(prepare=Said(), module=Counted(torch.nn.Identity()).eval(), dim=8, fingerprint="text"),
    }
    return Encoder(name="two towers", towers=towers)


@pytest.mark.parametrize(("name", "source"), PAIRS)
def test_all_tasks_of_every_dataset_are_listed_planned_and_run_by_every_source(name: str, source: str, tmp_path: Path) -> None:
    tasks, given = copy(name, source, tmp_path)
    asked = {task.protocol_name for task in tasks}
    assert asked == (SEVERAL if tasks[0].dataset.is_multilabel else set(CATALOGUE.families["transfer"].protocols))
    assert is_here(tasks[0].dataset, given.data)
    plan = make_plan(two_towers(), tasks, Datasets(given), given)
    assert [job.problem for job in plan.jobs] == [None] * len(tasks)
    if (name, source) not in IN_FULL:
        plan = make_plan(two_towers(), [task for task in tasks if task.protocol_name in CHEAP], Datasets(given), given)
    records = execute(plan, given, Report(quiet=True))
    assert {record.task: record.reason for record in records if record.status != DONE} == {}
    assert {record.n for record in records} == {3 * tasks[0].dataset.class_count}
    marked = "deviates" in tasks[0].dataset.sources[source]
    assert all(bool(record.deviations) == marked for record in records)


def test_a_birdsnap_that_lost_a_species_answers_all_its_tasks_and_the_records_say_so(tmp_path: Path) -> None:
    tasks, given = copy("birdsnap", "folder", tmp_path)
    lost = next(path for path in (given.data / "birdsnap/train").iterdir())  # type: ignore[operator]
    shutil.rmtree(lost)
    records = {
        one.protocol: one for one in execute(make_plan(two_towers(), tasks, Datasets(given), given), given, Report(quiet=True))
    }
    assert {name: one.reason for name, one in records.items()} == {task.protocol_name: "" for task in tasks}
    assert all("(no example of " in one.deviations[0] for one in records.values())
    for name in ("linear-probe", "knn", "few-shot", "fine-tune"):
        assert len(records[name].diagnostics["absent_classes"]) == 1
        assert any("1 of 3 classes have no example in train" in one for one in records[name].warnings)
    given = replace(given, deviating=False)
    assert "To use this copy all the same" in str(make_plan(two_towers(), tasks, Datasets(given), given).jobs[0].problem)


def test_probing_and_zero_shot_of_one_dataset_cost_one_pass(tmp_path: Path) -> None:
    tasks, given = copy("dtd", "torchvision", tmp_path)
    encoder, given = two_towers(), replace(given, extract=ExtractOptions(batch_size=1))
    frozen = [task for task in tasks if not task.costly]
    assert {task.protocol_name for task in frozen} >= {"linear-probe", "few-shot", "knn", "zero-shot", "zero-shot-calibration"}
    records = execute(make_plan(encoder, frozen, Datasets(given), given), given, Report(quiet=True))
    assert {record.status for record in records} == {DONE}
    items = {name: sum(tower.module.items) for name, tower in encoder.towers.items()}  # type: ignore[misc,arg-type]
    assert items == {
        "image": 4 + 3 * 9,
        "text": 3 * 2,
    }  # looked at beforehand; three splits of nine; two templates of three classes


@pytest.mark.parametrize(
    ("name", "source", "gone"), [("imagenet", "torchvision", "imagenet/train"), ("cars", "webdataset", "wds/cars/train")]
)
def test_a_copy_of_the_test_split_alone_answers_the_tasks_that_ask_for_no_other(
    name: str, source: str, gone: str, tmp_path: Path
) -> None:
    whole, given = copy(name, source, tmp_path / "whole")
    tasks, alone = copy(name, source, tmp_path / "alone")
    shutil.rmtree(tmp_path / "alone/data" / gone)
    jobs = {job.task.protocol_name: job for job in make_plan(two_towers(), tasks, Datasets(alone), alone).jobs}
    expected = {job.task.protocol_name: job for job in make_plan(two_towers(), whole, Datasets(given), given).jobs}
    assert {name for name, job in jobs.items() if job.problem is None} == {"zero-shot", "clustering"}
    assert "is on this machine only in part" in str(jobs["linear-probe"].problem)
    assert "train" in str(jobs["linear-probe"].problem)
    fetched = replace(tasks[0].dataset, sources=EVERY[name])
    catalogue = replace(CATALOGUE, datasets={name: fetched}, refused={})
    assert [one.protocol_name for one in catalogue.select_here(["*"], alone.data)] == ["clustering", "zero-shot"]
    found, known = jobs["zero-shot"], expected["zero-shot"]
    assert found.inputs == known.inputs
    assert found.dataset is not None
    assert found.dataset.declaration.digest == tasks[0].dataset.digest
    assert found.dataset.source.endswith("; without the split train, which was not needed")


def test_a_copy_that_differs_in_one_split_is_refused_for_tasks_on_the_others_too(tmp_path: Path) -> None:
    tasks, given = copy("cifar10", "parquet", tmp_path)
    short = [replace(task, dataset=replace(task.dataset, splits={**task.dataset.splits, "train": 10})) for task in tasks]
    strict = replace(given, deviating=False)
    jobs = make_plan(two_towers(), short, Datasets(strict), strict).jobs
    assert all("give --deviating" in str(job.problem) for job in jobs)
