"""Tiny copies of every transfer dataset in every form that its declaration names, read offline by the real code."""

from __future__ import annotations

import io
import socket
from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub.constants
import numpy as np
import pytest
from PIL import Image

from repbench.datasets.carve import carve_validation, digest_of
from repbench.datasets.check import check
from repbench.datasets.dataset import Dataset
from repbench.datasets.declaration import Content, DatasetDeclaration, Validation
from repbench.datasets.fetch.places import is_here, places
from repbench.datasets.open import open_dataset, open_splits
from repbench.errors import DataError
from repbench.tasks import load_catalogue, tasks_folder
from tests.datasets.copies import WRITERS, beside, encoded, labels_of, table, write_parquet, write_webdataset

CATALOGUE = load_catalogue()
TRANSFER = {name: one for name, one in CATALOGUE.datasets.items() if one.family == "transfer"}
PAIRS = [(name, source) for name, one in TRANSFER.items() for source in one.sources if source != "torchvision"]


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something called out")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets-cache")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("REPBENCH_DATA", raising=False)


def declared_for(name: str, source: str) -> DatasetDeclaration:
    real = TRANSFER[name]
    sizes = dict.fromkeys(real.splits, 3)
    content = replace(Content(), lossless=real.content.lossless)
    return replace(real, splits=sizes, sources={source: real.sources[source]}, validation=None, content=content)


def assert_is_the_copy(dataset: Dataset, declared: DatasetDeclaration) -> None:
    for split in declared.splits:
        found = dataset.splits[split]
        order = np.argsort([path.rsplit("/")[-1] for path in found.ids]) if "folder" in declared.sources else np.arange(3)
        for place, at in enumerate(order.tolist()):
            label = labels_of(declared)[place]
            there = np.flatnonzero(found.label[at] > 0).tolist() if declared.is_multilabel else [found.label[at]]
            assert there == (sorted({label, beside(declared, label)}) if declared.is_multilabel else [label])
            expected = Image.open(io.BytesIO(encoded(declared, split, place))).convert("RGB")
            assert np.array_equal(np.asarray(found.media["image"].load(at)), np.asarray(expected))


@pytest.mark.parametrize(("name", "source"), PAIRS)
def test_every_source_of_every_dataset_gives_its_items_and_calls_nowhere(name: str, source: str, tmp_path: Path) -> None:
    declared = declared_for(name, source)
    root = tmp_path / "data"
    options = dict(declared.sources[source])
    assert not any(places(declared, root).values())
    WRITERS[source](root, declared, options)
    assert all(places(declared, root).values())
    dataset = open_dataset(declared, root, deviating="deviates" in options)
    assert dataset.deviations == ((options["deviates"],) if "deviates" in options else ())
    assert_is_the_copy(dataset, declared)


def test_a_folder_of_save_to_disk_is_read_too(tmp_path: Path) -> None:
    declared = declared_for("pets", "parquet")
    tables = {split: table(declared, {}, split) for split in declared.splits}
    datasets.DatasetDict(tables).save_to_disk(str(tmp_path / "pets"))
    assert_is_the_copy(open_dataset(declared, tmp_path), declared)


def test_jpegs_of_a_dataset_that_was_published_as_pixels_are_refused_and_marked_when_let_in(tmp_path: Path) -> None:
    declared = declared_for("cifar10", "parquet")
    write_parquet(tmp_path, replace(declared, content=Content()), dict(declared.sources["parquet"]))
    with pytest.raises(DataError, match=r"pictures of the split 'train' are JPEGs \(3 of 3 looked at\).*give --deviating"):
        open_dataset(declared, tmp_path)
    assert "not those that were published" in open_dataset(declared, tmp_path, deviating=True).deviations[0]


def written(folder: Path, sides: tuple[int, int], kind: str, **told: object) -> None:
    """Two pictures a split and class of CIFAR-10, the last of them in the form that is asked, the others in PNG."""
    for split in ("train", "test"):
        for number, name in enumerate(TRANSFER["cifar10"].classes):  # type: ignore[arg-type]
            path = folder / "cifar10" / split / name
            path.mkdir(parents=True)
            for place in range(2):
                pixels = np.random.default_rng([number, place]).integers(0, 256, (*sides, 3), dtype=np.uint8)
                is_last = (split, number, place) == ("test", 9, 1)
                Image.fromarray(pixels).save(path / f"{place}.img.png", kind if is_last else "PNG", **(told if is_last else {}))


@pytest.mark.parametrize(
    ("kind", "told", "expected"),
    [
        ("PNG", {}, ""),
        ("WEBP", {"lossless": True}, ""),
        ("WEBP", {"lossless": True, "exif": b"Exif"}, ""),
        ("WEBP", {"quality": 90}, "lossy WebPs (1 of 20 looked at)"),
        ("WEBP", {"quality": 90, "icc_profile": b"a profile"}, "lossy WebPs (1 of 20 looked at)"),
        ("WEBP", {"save_all": True, "append_images": [Image.new("RGB", (32, 32))]}, "lossy WebPs (1 of 20 looked at)"),
        ("JPEG", {}, "JPEGs (1 of 20 looked at)"),
    ],
)
def test_one_picture_among_many_that_was_compressed_again_is_found(
    kind: str, told: dict[str, object], expected: str, tmp_path: Path
) -> None:
    written(tmp_path, (32, 32), kind, **told)
    real = TRANSFER["cifar10"]
    declared = replace(real, splits={"train": 20, "test": 20}, validation=None, sources={"folder": {}})
    differs = open_dataset(declared, tmp_path, deviating=True).deviations
    words = f"pictures of the split 'test' are {expected}, so their pixels are not those that were published"
    assert differs == ((words,) if expected else ())


def test_pictures_of_another_size_than_the_published_are_told_and_the_size_does_not_count_in_the_digest(tmp_path: Path) -> None:
    written(tmp_path, (96, 64), "PNG")
    real = TRANSFER["cifar10"]
    declared = replace(real, splits={"train": 20, "test": 20}, validation=None, sources={"folder": {}})
    with pytest.raises(
        DataError, match=r"'train' have 64 x 96 pixels \(20 of 20 looked at .*published are 32 x 32.*--deviating"
    ):
        open_dataset(declared, tmp_path)
    assert replace(real, content=replace(real.content, size=())).digest == real.digest
    with pytest.raises(ValueError, match="expected width and height"):
        Content(size=(32,))


def as_numbers(root: Path, declared: DatasetDeclaration) -> None:
    """Parquet files of which no schema names the classes."""
    for split in declared.splits:
        plain = table(declared, {}, split).cast_column("label", datasets.Value("int64"))
        (root / declared.name).mkdir(parents=True, exist_ok=True)
        plain.to_parquet(str(root / declared.name / f"{split}.parquet"))


NAMELESS = "; labels are numbers without names: taken in the declared order, which nothing confirms"


def test_numbers_of_classes_without_names_are_told_as_what_nothing_confirms(tmp_path: Path) -> None:
    pets, shards = declared_for("pets", "parquet"), declared_for("pets", "webdataset")
    as_numbers(tmp_path, pets)
    write_webdataset(tmp_path, shards, {})
    assert not open_dataset(shards, tmp_path).source.endswith(NAMELESS)
    (tmp_path / "wds/pets/classnames.txt").unlink()
    for declared in (pets, shards):
        assert open_dataset(declared, tmp_path).source.endswith(NAMELESS)
        assert NAMELESS in check(declared, tmp_path).lines[1]
    write_parquet(tmp_path / "named", pets, {})
    assert not open_dataset(pets, tmp_path / "named").source.endswith(NAMELESS)
    imagenet = declared_for("imagenet", "parquet")  # its declaration confirms the order
    assert imagenet.sources["parquet"]["in_declared_order"]
    write_parquet(tmp_path, imagenet, dict(imagenet.sources["parquet"]))
    assert not open_dataset(imagenet, tmp_path).source.endswith(NAMELESS)


def test_every_copy_of_caltech101_that_brings_its_own_splits_is_another_draw() -> None:
    sources = TRANSFER["caltech101"].sources
    assert {name for name, one in sources.items() if "deviates" not in one} == {"torchvision"}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cars", "wds_cars"),
        ("dtd", "wds_vtab-dtd"),
        ("pets", "wds/vtab-pets"),
        ("aircraft", "wds_fgvc_aircraft"),
        ("imagenet", "wds_imagenet1k"),
        ("voc2007", "wds_voc2007_multilabel"),
    ],
)
def test_shards_are_found_under_the_names_that_clip_benchmark_gives_its_repositories(
    name: str, folder: str, tmp_path: Path
) -> None:
    declared = declared_for(name, "webdataset")
    options = dict(declared.sources["webdataset"])
    WRITERS["webdataset"](tmp_path, declared, options)
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    (tmp_path / options.get("path", f"wds/{name}")).rename(tmp_path / folder)
    assert str(tmp_path / folder) in open_dataset(declared, tmp_path, deviating=True).source


@pytest.mark.parametrize("source", ["folder", "webdataset"])
def test_a_split_that_is_called_validation_is_that_of_validation(source: str, tmp_path: Path) -> None:
    declared = declared_for("dtd", source)
    WRITERS[source](tmp_path, declared, {})
    place = tmp_path / ("dtd" if source == "folder" else "wds/dtd")
    (place / "val").rename(place / "validation")
    dataset = open_dataset(declared, tmp_path)
    assert_is_the_copy(dataset, declared)
    assert all(str(one).startswith("val/") for one in dataset.splits["val"].ids)


def test_names_of_another_list_of_imagenet_do_not_matter_for_its_numbers_are_in_order(tmp_path: Path) -> None:
    declared = declared_for("imagenet", "parquet")
    called = replace(declared, classes=tuple(f"crane, kind {place}" for place in range(1000)))
    write_parquet(tmp_path, called, dict(declared.sources["parquet"]))
    assert_is_the_copy(open_dataset(declared, tmp_path), declared)


def test_other_classes_are_refused_by_name(tmp_path: Path) -> None:
    declared = declared_for("pets", "parquet")
    write_parquet(tmp_path, replace(declared, classes=(*declared.classes[:36], "Tiger")), {})  # type: ignore[index]
    with pytest.raises(DataError, match=r"'Tiger' is none of the declared"):
        open_dataset(declared, tmp_path)


def test_a_copy_of_another_size_is_refused(tmp_path: Path) -> None:
    declared = declared_for("cars", "parquet")
    write_parquet(tmp_path, declared, {})
    with pytest.raises(DataError, match=r"the split 'test' from .* has 3 examples; declared are 4"):
        open_dataset(replace(declared, splits={"train": 3, "test": 4}), tmp_path)


def merged_copy(root: Path, source: str) -> DatasetDeclaration:
    """A copy of which train holds the creators' validation split too, and the declaration of the whole data."""
    names = TRANSFER["dtd"].classes[:3]  # type: ignore[index]
    whole = replace(declared_for("dtd", source), classes=names, prompts=None, splits={"train": 5, "val": 4, "test": 9})
    WRITERS[source](root, replace(whole, splits={"train": 9, "test": 9}), dict(whole.sources[source]))
    return whole


@pytest.mark.parametrize("source", ["parquet", "webdataset", "folder", "huggingface"])
def test_a_copy_that_merges_train_and_validation_is_refused_and_when_told_validation_is_carved(
    source: str, tmp_path: Path
) -> None:
    declared = merged_copy(tmp_path, source)
    told = r"has no split 'val': its 9 examples of train hold it \(declared are 5 and 4\).*--deviating"
    with pytest.raises(DataError, match=told):
        open_dataset(declared, tmp_path)
    found = open_dataset(declared, tmp_path, deviating=True)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 6, "val": 3, "test": 9}
    assert set(found.splits["val"].label.tolist()) == {0, 1, 2}
    assert not {*found.splits["val"].ids.tolist()} & {*found.splits["train"].ids.tolist()}
    assert "val is carved out of train by seed 0" in found.source
    assert is_here(declared, tmp_path, ["train", "val", "test"])
    only = open_splits(declared, ["test"], tmp_path)  # what needs the test split alone is asked of the published one
    assert only.deviations == ()


def test_a_copy_without_validation_whose_train_is_the_published_one_is_only_in_part(tmp_path: Path) -> None:
    declared = replace(merged_copy(tmp_path, "parquet"), splits={"train": 9, "val": 4, "test": 9})
    with pytest.raises(DataError, match="on this machine only in part"):
        open_dataset(declared, tmp_path, deviating=True)


def test_a_test_split_alone_is_looked_over_and_what_is_missing_is_noted(tmp_path: Path) -> None:
    declared = merged_copy(tmp_path, "parquet")
    for path in (tmp_path / "dtd").rglob("train-*"):
        path.unlink()
    found = check(declared, tmp_path)
    assert any(line.startswith("  test      9 examples") for line in found.lines)
    assert found.notes == ("there is no split train, val: what needs it cannot be asked of this copy",)


def test_counts_of_positives_tell_another_rule_for_difficult_objects(tmp_path: Path) -> None:
    declared = declared_for("voc2007", "webdataset")
    write_webdataset(tmp_path, declared, dict(declared.sources["webdataset"]))
    positives = {"test": (1, 1, *([0] * 3), 3, *([0] * 13), 1)}
    given = replace(declared, content=Content(positives=positives))
    assert len(open_dataset(given, tmp_path, deviating=True).deviations) == 1  # the declared one alone
    given = replace(declared, content=Content(positives={"test": (2, *positives["test"][1:])}))
    words = open_dataset(given, tmp_path, deviating=True).deviations[1]
    assert words == "examples of the split 'test' by class are other ones: 'aeroplane' 1 (published 2)"
    given = replace(declared, content=Content(positives={"test": tuple(one + 5 for one in positives["test"])}))
    words = open_dataset(given, tmp_path, deviating=True).deviations[1]
    assert "'aeroplane' 1 (published 6), 'bicycle' 1 (published 6), 'bird' 0 (published 5)" in words
    assert words.endswith(" and 15 more classes")


@pytest.mark.parametrize("name", [name for name, one in TRANSFER.items() if one.validation and one.validation.places])
def test_the_list_of_validation_that_ships_has_its_declared_digest(name: str) -> None:
    rule = TRANSFER[name].validation
    assert rule is not None
    lines = (tasks_folder() / "transfer" / rule.places).read_text().split()
    places = np.array(lines, dtype=np.int64)
    assert digest_of(places) == rule.digest
    assert (np.diff(places) > 0).all()
    assert 0 <= places[0] <= places[-1] < TRANSFER[name].splits["train"]


@pytest.mark.parametrize(
    ("digest", "told"), [("", "carved out of train by seed 0"), ("0" * 32, "another order than that of the list")]
)
def test_the_digest_of_a_validation_list_that_does_not_ship_is_told(digest: str, told: str, tmp_path: Path) -> None:
    few = replace(declared_for("pets", "parquet"), classes=TRANSFER["pets"].classes[:3])  # type: ignore[index]
    declared = replace(few, splits={"train": 9, "test": 9}, validation=Validation(per_class=1, digest=digest))
    write_parquet(tmp_path, declared, {})
    dataset = open_dataset(declared, tmp_path)
    _, val = carve_validation(np.array([0, 1, 2] * 3), 0.0, 0, per_class=1)
    assert dataset.splits["val"].ids.tolist() == [f"train/{place}" for place in val]
    assert told in dataset.source
    assert f"{digest_of(val)})" in dataset.source
    published = replace(declared, validation=Validation(per_class=1, digest=digest_of(val)))
    assert "val" not in open_dataset(published, tmp_path).source.rpartition("/")[2]


def test_the_validation_list_of_food101_is_a_tenth_of_each_class_in_its_published_order() -> None:
    label = np.repeat(np.arange(101), 750)
    _, val = carve_validation(label, 0.1, 0)
    lines = (tasks_folder() / "transfer/lists/food101-val.txt").read_text().split()
    assert val.tolist() == [int(line) for line in lines]
    assert np.bincount(label[val]).tolist() == [75] * 101


def test_the_validation_list_of_sun397_is_ten_of_each_class_in_the_order_of_its_official_list() -> None:
    """Training_01.txt has fifty lines a class, the classes in the declared order but for one pair."""
    order = np.arange(397)
    order[[206, 207]] = 207, 206  # jail/indoor stands before jail_cell there
    _, val = carve_validation(np.repeat(order, 50), 0.0, 0, per_class=10)
    lines = (tasks_folder() / "transfer/lists/sun397-val.txt").read_text().split()
    assert val.tolist() == [int(line) for line in lines]


def test_the_list_of_caltech101_has_thirty_images_of_each_of_102_classes_and_five_of_them_for_validation() -> None:
    lines = (tasks_folder() / "transfer/lists/caltech101-train.txt").read_text().split()
    names, label = np.unique([line.split("/")[0] for line in lines], return_inverse=True)
    assert tuple(names) == TRANSFER["caltech101"].classes
    assert np.bincount(label).tolist() == [30] * 102
    val = np.array((tasks_folder() / "transfer/lists/caltech101-val.txt").read_text().split(), dtype=int)
    assert np.bincount(label[val]).tolist() == [5] * 102


@pytest.mark.parametrize(
    ("name", "classes", "sizes", "metric"),
    [
        ("food101", 101, (75_750, 25_250), "accuracy"),
        ("cifar10", 10, (50_000, 10_000), "accuracy"),
        ("cifar100", 100, (50_000, 10_000), "accuracy"),
        ("birdsnap", 500, (47_386, 2_443), "accuracy"),
        ("sun397", 397, (19_850, 19_850), "accuracy"),
        ("cars", 196, (8_144, 8_041), "accuracy"),
        ("aircraft", 100, (3_334, 3_333, 3_333), "mean-per-class"),
        ("voc2007", 20, (2_501, 2_510, 4_952), "mean-average-precision-11-point"),
        ("dtd", 47, (1_880, 1_880, 1_880), "accuracy"),
        ("pets", 37, (3_680, 3_669), "mean-per-class"),
        ("caltech101", 102, (3_060, 6_084), "mean-per-class"),
        ("flowers", 102, (1_020, 1_020, 6_149), "mean-per-class"),
        ("imagenet", 1000, (1_281_167, 50_000), "accuracy"),
        ("stl10", 10, (5_000, 8_000), "accuracy"),
    ],
)
def test_sizes_classes_and_metric_are_those_of_the_published_protocol(
    name: str, classes: int, sizes: tuple[int, ...], metric: str
) -> None:
    declared = TRANSFER[name]
    assert (declared.class_count, tuple(declared.splits.values()), declared.metric) == (classes, sizes, metric)
    assert declared.about.citation
    assert declared.prompts is not None
