"""Copies that the library `datasets` can read: Parquet files in the hub's column layout, and folders."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.open import open_dataset
from repbench.errors import DataError

NAMES = ["cat", "dog"]
CIFAR = Path(__file__).parents[3] / "shared" / "data" / "cifar10"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write_parquet(folder: Path, split: str, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    blobs = []
    for place in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (6, 6), (place, 10, 20)).save(stream, "PNG")
        blobs.append({"bytes": stream.getvalue(), "path": f"{place}.png"})
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    table = datasets.Dataset.from_dict({"img": blobs, "label": [place % 2 for place in range(count)]}, features=features)
    table.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))


def declaration(options: dict[str, object], **splits: int) -> DatasetDeclaration:
    return DatasetDeclaration(
        name="pets", family="f", title="t", metric="accuracy", classes=2, splits=splits, sources={"huggingface": options}
    )


def test_parquet_files_in_the_hub_layout_are_read_with_their_class_names(tmp_path: Path) -> None:
    write_parquet(tmp_path / "plain", "train", 5)
    write_parquet(tmp_path / "plain", "test", 4)
    options = {
        "files": {"train": "plain/train-*.parquet", "test": "plain/test-*.parquet"},
        "columns": {"image": "img"},
    }
    dataset = open_dataset(declaration(options, train=5, test=4), tmp_path)
    assert dataset.splits["test"].class_names == ("cat", "dog")
    assert dataset.splits["train"].label.tolist() == [0, 1, 0, 1, 0]
    assert np.asarray(dataset.splits["train"].media["image"].load(3))[0, 0].tolist() == [3, 10, 20]


def test_a_repository_folder_is_read_and_its_splits_can_have_other_names(tmp_path: Path) -> None:
    write_parquet(tmp_path / "owner/pets", "train", 4)
    write_parquet(tmp_path / "owner/pets", "validation", 2)
    options = {"repository": "owner/pets", "columns": {"image": "img"}, "splits": {"test": "validation"}}
    dataset = open_dataset(declaration(options, train=4, test=2), tmp_path)
    assert len(dataset.splits["test"]) == 2


def test_the_bars_of_the_library_do_not_pass_into_a_run_and_are_on_again_after_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_parquet(tmp_path / "owner/pets", "test", 2)
    datasets.enable_progress_bars()
    open_dataset(declaration({"repository": "owner/pets", "columns": {"image": "img"}}, test=2), tmp_path)
    assert "Generating" not in capfd.readouterr().err
    assert not datasets.are_progress_bars_disabled()


def test_an_image_folder_is_read_as_the_library_lays_it_out(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("test", 2)):
        for name in NAMES:
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for place in range(count):
                Image.new("RGB", (4, 4), (place, 0, 0)).save(folder / f"{place}.png")
    dataset = open_dataset(declaration({"repository": "pets"}, train=6, test=4), tmp_path)
    assert dataset.splits["test"].label.tolist() == [0, 0, 1, 1]


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    write_parquet(tmp_path / "plain", "train", 3)
    options = {"files": {"train": "plain/train-*.parquet"}}
    with pytest.raises(DataError, match=r"no column 'image'; there are img, label"):
        open_dataset(declaration(options, train=3), tmp_path)


def test_a_repository_that_is_not_here_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not on this machine. Looked for huggingface: nobody/nothing in the local hub cache"):
        open_dataset(declaration({"repository": "nobody/nothing"}, train=3), tmp_path)


@pytest.mark.skipif(not CIFAR.is_dir(), reason="the copy of CIFAR-10 for development is not on this machine")
def test_cifar10_in_the_hub_layout_is_read_whole() -> None:
    options = {"files": {"test": "plain_text/test-*.parquet"}, "columns": {"image": "img"}}
    facts = DatasetDeclaration(
        name="cifar10",
        family="f",
        title="t",
        metric="accuracy",
        classes=10,
        splits={"test": 10000},
        sources={"huggingface": options},
    )
    test = open_dataset(facts, CIFAR).splits["test"]
    assert test.class_names[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(test.label).tolist() == [1000] * 10
    assert test.media["image"].load(0).size == (32, 32)
