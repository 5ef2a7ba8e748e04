"""What a record says of its conventions, and the warnings that a run shows."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repbench.datasets.carve import carve_validation, digest_of
from repbench.datasets.dataset import Dataset
from repbench.datasets.declaration import ELEVEN_POINT, Validation
from repbench.datasets.deviations import UNKNOWN
from repbench.datasets.open import checked, open_dataset
from repbench.datasets.table import RawDataset, RawSplit
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.preprocess import ImagePreprocess, override
from repbench.encoders.published import PREPARATIONS
from repbench.encoders.spec import parse_spec
from repbench.leaderboard.published import convention_words
from repbench.run.conventions import conventions
from repbench.run.execute import execute
from repbench.run.plan import Datasets, Job, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import Task, load_catalogue

CATALOGUE = load_catalogue()


def settings(folder: Path, limit: int | None = 20) -> Settings:
    return Settings(results=folder / "results", store=folder / "store", limit=limit)


def job(folder: Path, encoder: Encoder, protocol: str = "linear-probe", **facts: object) -> Job:
    task: Task = CATALOGUE.tasks[f"{protocol}/digits"]
    (planned,) = make_plan(encoder, [task], Datasets(settings(folder)), settings(folder)).jobs
    assert planned.dataset is not None
    changed = replace(planned.dataset.declaration, **facts)  # type: ignore[arg-type]
    return replace(planned, dataset=replace(planned.dataset, declaration=changed))


RECIPE = "size=224,interpolation=bicubic,resize=shortest"


@pytest.mark.parametrize(
    ("protocol", "options", "words"),
    [
        ("linear-probe", "size=224,interpolation=bicubic", "as published (SimCLR B.8.1): resize shorter side to 224 bicubic"),
        ("linear-probe", RECIPE, "as published (SimCLR B.8.1)"),
        ("linear-probe", "size=32", "not the published one (resize shorter side to 224 bicubic, centre crop 224; SimCLR"),
        ("linear-probe", "size=224,crop_pct=0.875", "not the published one"),
        ("linear-probe", "size=224,interpolation=bilinear", "not the published one"),
        ("linear-probe", "size=224,interpolation=bicubic,resize=squash", "not the published one"),
        ("knn", RECIPE, "not the published one (resize shorter side to 256 bicubic, centre crop 224; DINO's eval_knn.py)"),
        ("knn", f"{RECIPE},crop_pct=0.875", "as published (DINO's eval_knn.py)"),
        ("fine-tune", "size=224,interpolation=bilinear", "as published (SimCLR B.8.1): resize shorter side to 256 bicubic"),
        ("fine-tune", "size=32", "not the published one"),
    ],
)
def test_the_preparation_is_set_beside_the_published_one(tmp_path: Path, protocol: str, options: str, words: str) -> None:
    encoder = load_encoder(f"random:small:resnet,{options}", LoadOptions())
    assert conventions(job(tmp_path, encoder, protocol, family="transfer"), encoder)["preprocessing"].startswith(words)
    assert "preprocessing" not in conventions(job(tmp_path, encoder, protocol), encoder)


@pytest.mark.parametrize("protocol", ["linear-probe", "knn"])
@pytest.mark.parametrize(
    "own",
    [
        ImagePreprocess(size=384, resize=384, mode="squash", interpolation="bicubic"),
        ImagePreprocess(size=224, resize=256, interpolation="bilinear"),
        ImagePreprocess(size=96, resize=110, mode="squash", interpolation="lanczos"),
    ],
)
def test_the_options_that_are_told_give_the_published_preparation(protocol: str, own: ImagePreprocess) -> None:
    published = PREPARATIONS[protocol]
    told = override(own, parse_spec(f"random:small:resnet,{published.options}").options)
    assert told == replace(own, size=published.crop, resize=published.resize, mode="shortest", interpolation="bicubic")
    assert told.words.startswith(f"{published.words}, ")


def test_the_options_that_are_told_are_the_same_everywhere() -> None:
    assert PREPARATIONS["linear-probe"].options == RECIPE
    assert f"`{RECIPE}`" in convention_words()["size-224"]
    page = (Path(__file__).parents[2] / "docs" / "transfer.md").read_text(encoding="utf-8")
    assert f"`{RECIPE}`" in page
    assert f"timm:resnet50.a1_in1k,{RECIPE} " in page
    assert f"`{PREPARATIONS['knn'].options}`" in page


@pytest.mark.parametrize(
    ("protocol", "subjects"),
    [
        ("linear-probe", {"preprocessing", "validation"}),
        ("fine-tune", {"preprocessing", "validation"}),
        ("zero-shot-calibration", {"validation"}),
        ("knn", {"preprocessing"}),
        ("few-shot", set()),
        ("zero-shot", set()),
        ("clustering", set()),
    ],
)
def test_a_record_says_only_what_concerns_its_protocol(tmp_path: Path, protocol: str, subjects: set[str]) -> None:
    encoder = load_encoder("random:small:resnet,size=16", LoadOptions())
    encoder = replace(encoder, towers={**encoder.towers, "text": load_encoder("control:random", LoadOptions()).towers["text"]})
    assert set(conventions(job(tmp_path, encoder, protocol, family="transfer"), encoder)) == subjects


def test_the_validation_images_of_a_copy_in_another_order_are_told(tmp_path: Path) -> None:
    """Train in reverse: the list that ships names other images then."""
    encoder = load_encoder("control:pixels", LoadOptions())
    planned = job(tmp_path, encoder, family="transfer")
    assert planned.dataset is not None
    train = planned.dataset.splits["train"]
    _, held = carve_validation(train.label, 0.1, 0)
    facts = planned.dataset.declaration
    sizes = {name: size for name, size in facts.splits.items() if name != "val"}
    sizes = {name: len(planned.dataset.splits[name]) for name in sizes}
    carved = replace(facts, splits=sizes, validation=Validation(share=0.1, digest=digest_of(held)))
    for order, other in ((1, False), (-1, True)):
        ordered = {**planned.dataset.splits, "train": train.take(np.arange(len(train))[::order])}
        raw = {
            name: RawSplit(ids=ordered[name].ids, label=ordered[name].label, columns={}, media=ordered[name].media)
            for name in sizes
        }
        copy = checked(RawDataset(splits=raw, class_names=train.class_names, place="a copy"), carved, None)
        told = conventions(replace(planned, dataset=copy), encoder)["validation"]
        assert told.startswith("10% of each class of train, by a fixed seed: other papers hold out other images")
        assert ("another order than that of the list that ships, so val is another (digest " in told) is other
        assert ("so val is another" in copy.source) is other


def test_the_rule_for_difficult_objects_and_the_validation_split_are_told(tmp_path: Path) -> None:
    encoder = load_encoder("control:pixels", LoadOptions())
    told = conventions(job(tmp_path, encoder, metric=ELEVEN_POINT, family="transfer"), encoder)
    assert "not judged" in told["difficult objects"]
    assert told["validation"] == "the creators' split"
    other = conventions(job(tmp_path, encoder, metric=ELEVEN_POINT, difficult="negative"), encoder)
    assert "Ericsson" in other["difficult objects"]
    unknowing = job(tmp_path, encoder, metric=ELEVEN_POINT)
    assert unknowing.dataset is not None
    told = "its labels count difficult objects as positives"
    copy = replace(unknowing, dataset=replace(unknowing.dataset, deviations=(told,)))
    assert conventions(copy, encoder)["difficult objects"] == f"not known in this copy: {told}"


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
    early = replace(record, options={"stop_rule": "sklearn"}, diagnostics={}, deviations=())
    assert early.warnings == ("fits stop where scikit-learn's default does, far from their optimum where the penalty is weak",)


def test_the_packs_that_ship_share_nothing() -> None:
    dataset = open_dataset(CATALOGUE.dataset("digits"))
    train, test = (set(dataset.splits[name].media["image"].keys) for name in ("train", "test"))
    assert train.isdisjoint(test)


def test_a_run_says_once_what_gives_the_published_preparation(tmp_path: Path) -> None:
    encoder = load_encoder("random:small:resnet,size=32", LoadOptions())
    asked = [job(tmp_path, encoder, protocol, family="transfer") for protocol in ("linear-probe", "linear-probe", "knn")]
    heard = io.StringIO()
    report = Report(stream=heard)
    report.begin(make_plan(encoder, [], Datasets(settings(tmp_path)), settings(tmp_path)), 0)
    for one in asked:
        (record,) = execute(
            make_plan(encoder, [one.task], Datasets(settings(tmp_path)), settings(tmp_path)),
            settings(tmp_path),
            Report(quiet=True),
        )
        report.finish(replace(record, conventions=conventions(one, encoder)))
    notes = [line.strip() for line in heard.getvalue().splitlines() if "note:" in line]
    assert [line.partition(";")[0] for line in notes] == [
        "note: the preprocessing is not the published one (resize shorter side to 224 bicubic, centre crop 224",
        "note: the preprocessing is not the published one (resize shorter side to 256 bicubic, centre crop 224",
    ]
    assert f"the options {RECIPE} of the encoder give" in notes[0]
