"""Tiny copies in the published layouts of sets with groups: classes, groups and splits as their files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import repbench
from repbench.datasets.dataset import Dataset
from repbench.datasets.open import open_dataset
from repbench.errors import DataError
from repbench.tasks import load_catalogue

CATALOGUE = load_catalogue()


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG")


def opened(name: str, data: Path, *, classes: int = 0, **splits: int) -> Dataset:
    declared = CATALOGUE.datasets[name]
    return open_dataset(replace(declared, splits=splits, validation=None, classes=classes or declared.classes), data)


def told(dataset: Dataset, split: str, column: str) -> list[tuple[str, str, str]]:
    found = dataset.splits[split]
    classes = [found.class_names[label] for label in found.label]
    return list(zip(found.ids.tolist(), classes, found.columns[column].tolist(), strict=True))


def write_waterbirds(folder: Path) -> None:
    lines = ["img_id,img_filename,y,split,place,place_filename"]
    for number, (y, split, place) in enumerate([(0, 0, 0), (1, 0, 1), (1, 1, 0), (0, 2, 1), (1, 2, 1)]):
        name = f"{number:03d}.Some_Bird/Some_Bird_{number:04d}.jpg"
        lines.append(f'{number},{name},{y},{split},{place},"/o/ocean/{number:08d}.jpg"')
        picture(folder / name, number)
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def test_waterbirds_are_split_and_grouped_by_their_metadata(tmp_path: Path) -> None:
    write_waterbirds(tmp_path / "waterbird_complete95_forest2water2")
    dataset = opened("waterbirds", tmp_path, train=2, val=1, test=2)
    assert told(dataset, "train", "group") == [
        ("000.Some_Bird/Some_Bird_0000.jpg", "landbird", "landbird on land"),
        ("001.Some_Bird/Some_Bird_0001.jpg", "waterbird", "waterbird on water"),
    ]
    assert [group for _, _, group in told(dataset, "val", "group")] == ["waterbird on land"]
    assert [place for _, _, place in told(dataset, "test", "place")] == ["water", "water"]
    assert dataset.splits["test"].media["image"].load(0).size == (7, 9)


def test_the_copy_of_wilds_is_read_from_its_own_folder(tmp_path: Path) -> None:
    write_waterbirds(tmp_path / "waterbirds_v1.0")
    declared = replace(CATALOGUE.datasets["waterbirds"], sources={"torchvision": {"layout": "waterbirds-wilds"}})
    dataset = open_dataset(replace(declared, splits={"train": 2, "val": 1, "test": 2}), tmp_path)
    assert len(dataset.splits["train"]) == 2


def test_celeba_takes_its_part_from_the_partition_and_its_groups_from_the_attributes(tmp_path: Path) -> None:
    folder = tmp_path / "celeba"
    attributes = ["4", "Bald Blond_Hair Male Smiling Young "]
    rows = [(1, -1, 1), (-1, 1, 1), (1, 1, -1), (-1, -1, -1)]
    for number, (hair, male, young) in enumerate(rows, start=1):
        attributes.append(f"{number:06d}.jpg -1  {hair} {male} -1 {young}")
        picture(folder / "img_align_celeba" / f"{number:06d}.jpg", number)
    (folder / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n")
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 0\n000003.jpg 1\n000004.jpg 2\n")
    dataset = opened("celeba", tmp_path, train=2, val=1, test=1)
    assert told(dataset, "train", "group") == [
        ("000001.jpg", "blond", "blond female"),
        ("000002.jpg", "not blond", "not blond male"),
    ]
    assert told(dataset, "val", "group") == [("000003.jpg", "blond", "blond male")]
    assert told(dataset, "test", "age") == [("000004.jpg", "not blond", "not young")]


def test_fairface_is_tested_on_its_official_validation_part(tmp_path: Path) -> None:
    folder = tmp_path / "fairface"
    for part, rows in {
        "train": ["50-59,Male,East Asian,True", "30-39,Female,Indian,False"],
        "val": ["3-9,Female,Black,False"],
    }.items():
        lines = ["file,age,gender,race,service_test"]
        for number, row in enumerate(rows, start=1):
            lines.append(f"{part}/{number}.jpg,{row}")
            picture(folder / part / f"{number}.jpg", number)
        (folder / f"fairface_label_{part}.csv").write_text("\n".join(lines) + "\n")
    dataset = opened("fairface", tmp_path, train=2, test=1)
    assert told(dataset, "train", "race") == [("train/1.jpg", "Male", "East Asian"), ("train/2.jpg", "Female", "Indian")]
    assert told(dataset, "test", "age") == [("val/1.jpg", "Female", "3-9")]


def write_geode(folder: Path, count: int) -> None:
    lines = [",file_path,object,region,ip_country"]
    for number in range(count):
        thing, region = ("bag", "stove")[number % 2], ("Africa", "Europe", "WestAsia")[number % 3]
        name = f"{number % 2}.{thing}/{region}_{thing}_{number}.jpg"
        lines.append(f"{number},{name},{thing},{region},Ghana")
        picture(folder / "images" / name, number)
    (folder / "index.csv").write_text("\n".join(lines) + "\n")


def test_geode_is_drawn_out_of_its_index_and_grouped_by_region(tmp_path: Path) -> None:
    write_geode(tmp_path / "geode", 20)
    dataset = opened("geode", tmp_path, classes=2, train=12, val=4, test=4)
    ids = [set(split.ids.tolist()) for split in dataset.splits.values()]
    assert len(set().union(*ids)) == 20
    for name, thing, region in told(dataset, "test", "region"):
        assert name.startswith(f"{0 if thing == 'bag' else 1}.{thing}/{region}_{thing}_")
    assert dataset.splits["test"].media["image"].load(0).size == (7, 9)
    assert dataset.splits["test"].columns["country"].tolist() == ["Ghana"] * 4


STREET = "id,country.name,country.id,region.id,type,imageRelPath,topics,place,income,imagenet_synonyms,imagenet_sysnet_id"


def write_dollar_street(folder: Path, incomes: dict[str, list[float]], synonyms: str = "") -> None:
    for split, own in incomes.items():
        lines = [STREET]
        for number, income in enumerate(own):
            name = f"assets/{split}{number}/{split}{number}.jpg"
            listed = synonyms or ("\"['stove', 'oven']\"" if number % 2 else "['toilet seat']")
            lines.append(f'{split}{number},Burundi,bi,af,image,{name},"[\'stoves\']",h{number},{income},{listed},"[827, 3]"')
            picture(folder / name, number)
        (folder / f"images_v2_imagenet_{split}.csv").write_text("\n".join(lines) + "\n")


def test_dollar_street_is_split_officially_and_grouped_by_quarters_of_income(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dataset_dollarstreet"
    write_dollar_street(folder, {"train": [26.9, 10000.0, 685], "test": [200, 200.5, 684, 1997, 1998]})
    dataset = opened("dollar-street", tmp_path, classes=2, train=0, test=0)
    assert told(dataset, "train", "income") == [
        ("assets/train0/train0.jpg", "toilet seat", "poorest quarter"),
        ("assets/train1/train1.jpg", "stove", "richest quarter"),
        ("assets/train2/train2.jpg", "toilet seat", "third quarter"),
    ]
    quarters = [income.split()[0] for _, _, income in told(dataset, "test", "income")]
    assert quarters == ["poorest", "second", "second", "third", "richest"]
    assert set(dataset.splits["test"].columns["region"].tolist()) == {"Africa"}
    monkeypatch.setattr("repbench.datasets.factored.dollar_street.KEPT", 1)
    assert len(opened("dollar-street", tmp_path, classes=1, train=0, test=0).splits["test"]) == 3  # toilet seats
    write_dollar_street(folder, {"train": [1], "test": [1]}, synonyms="__import__('os')")
    with pytest.raises(DataError, match=r"imagenet_synonyms says \"__import__\('os'\)\"; expected a list such as"):
        opened("dollar-street", tmp_path, classes=1, train=0, test=0)


def test_a_column_that_is_missing_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "waterbird_complete95_forest2water2"
    folder.mkdir()
    (folder / "metadata.csv").write_text("img_id,img_filename,y,split\n")
    with pytest.raises(DataError, match=r"metadata.csv: no column 'place'; there are img_id, img_filename, y, split"):
        opened("waterbirds", tmp_path, train=1, val=1, test=1)


def test_their_tasks_are_asked_of_groups() -> None:
    names = {task.name for task in repbench.list_tasks("*/waterbirds")}
    assert {"groups/waterbirds", "linear-probe/waterbirds", "calibration/waterbirds"} <= names
