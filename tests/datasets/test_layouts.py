"""Tiny copies in the exact layouts on disk that torchvision reads: our reader and torchvision's give the same items."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as tv
from PIL import Image
from scipy.io import savemat

from repbench.datasets.classes import letters
from repbench.datasets.dataset import Dataset
from repbench.datasets.declaration import Content, DatasetDeclaration
from repbench.datasets.open import open_dataset
from repbench.errors import DataError
from repbench.tasks import load_catalogue

CATALOGUE = load_catalogue()
Item = tuple[np.ndarray, str]  # pixels, class name by its letters
Copy = tuple[Dataset, dict[str, list[Item]]]  # what we read, and what torchvision reads of each split
SETS = {"train": "trnid", "val": "valid", "test": "tstid"}


def picture(path: Path, seed: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, "JPEG")


def words(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def pickled(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def tiny(name: str, **splits: int) -> DatasetDeclaration:
    """The real declaration with the sizes of a tiny copy, read by the source of torchvision's layouts."""
    real = CATALOGUE.datasets[name]
    sources = {"torchvision": real.sources["torchvision"]}
    return replace(real, splits=splits, sources=sources, validation=None, content=Content(), prompts=None)


def ours(dataset: Dataset, split: str) -> list[Item]:
    found = dataset.splits[split]
    items = found.media["image"]
    names = [letters(found.class_names[label]) for label in found.label]
    return [(np.asarray(items.load(place)), names[place]) for place in range(len(found))]


def theirs(dataset: Any, classes: Any = None) -> list[Item]:
    names = classes or dataset.classes
    return [
        (np.asarray(image.convert("RGB")), letters(names[label]))
        for image, label in map(dataset.__getitem__, range(len(dataset)))
    ]


def assert_equal(one: list[Item], other: list[Item]) -> None:
    assert [name for _, name in one] == [name for _, name in other]
    assert all(np.array_equal(mine, yours) for (mine, _), (yours, _) in zip(one, other, strict=True))


def without_checks(base: Any, **replaced: Any) -> Any:
    """torchvision's class without the checksums of the published files."""
    return type("Unchecked", (base,), replaced)


def food101(root: Path) -> Copy:
    for split in ("train", "test"):
        listed = {name: [f"{name}/{split}{place}" for place in range(2)] for name in ("waffles", "apple_pie")}
        words(root / "food-101/meta" / f"{split}.json", json.dumps(listed))
        for place, image in enumerate(one for images in listed.values() for one in images):
            picture(root / "food-101/images" / f"{image}.jpg", place + 10 * len(split))
    dataset = open_dataset(tiny("food101", train=4, test=4), root)
    return dataset, {split: theirs(tv.Food101(str(root), split)) for split in ("train", "test")}


def cifar10(root: Path) -> Copy:
    generator = np.random.default_rng(0)
    for place, batch in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        data = generator.integers(0, 256, (2, 3072), dtype=np.uint8)
        pickled(root / "cifar-10-batches-py" / batch, {"data": data, "labels": [place, 9 - place], "filenames": ["a", "b"]})
    names = CATALOGUE.datasets["cifar10"].classes
    pickled(root / "cifar-10-batches-py/batches.meta", {"label_names": list(names), "num_vis": 3072})  # type: ignore[arg-type]

    files = {part: [[name, None] for name, _ in getattr(tv.CIFAR10, part)] for part in ("train_list", "test_list")}
    unchecked = without_checks(tv.CIFAR10, meta={**tv.CIFAR10.meta, "md5": None}, **files)
    dataset = open_dataset(tiny("cifar10", train=10, test=2), root)
    return dataset, {"train": theirs(unchecked(str(root))), "test": theirs(unchecked(str(root), train=False))}


def cifar100(root: Path) -> Copy:
    generator = np.random.default_rng(0)
    for split, labels in {"train": [7, 99, 0], "test": [3, 3]}.items():
        data = generator.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        pickled(root / "cifar-100-python" / split, {"data": data, "fine_labels": labels, "coarse_labels": labels})
    names = list(CATALOGUE.datasets["cifar100"].classes)  # type: ignore[arg-type]
    pickled(root / "cifar-100-python/meta", {"fine_label_names": names, "coarse_label_names": []})

    files = {part: [[name, None] for name, _ in getattr(tv.CIFAR100, part)] for part in ("train_list", "test_list")}
    unchecked = without_checks(tv.CIFAR100, meta={**tv.CIFAR100.meta, "md5": None}, **files)
    dataset = open_dataset(tiny("cifar100", train=3, test=2), root)
    return dataset, {"train": theirs(unchecked(str(root))), "test": theirs(unchecked(str(root), train=False))}


def sun397(root: Path) -> Copy:
    folder = root / "SUN397"
    words(folder / "ClassName.txt", "/a/abbey", "/a/apartment_building/outdoor", "/y/yard")
    lists = {
        "Training_01.txt": ["/y/yard/sun_b.jpg", "/a/apartment_building/outdoor/sun_c.jpg"],
        "Testing_01.txt": ["/a/abbey/sun_a.jpg", "/a/apartment_building/outdoor/sun_d.jpg"],
    }
    for name, lines in lists.items():
        words(folder / name, *lines)
        for place, line in enumerate(lines):
            picture(folder / line[1:], place + 10 * len(name))
    picture(folder / "a/abbey/sun_of_another_partition.jpg", 99)
    whole = tv.SUN397(str(root))
    by_name = dict(zip((path.relative_to(folder).as_posix() for path in whole._image_files), theirs(whole), strict=True))
    split = {"train": "Training_01.txt", "test": "Testing_01.txt"}
    dataset = open_dataset(tiny("sun397", train=2, test=2), root)
    return dataset, {ours: [by_name[line[1:]] for line in lists[name]] for ours, name in split.items()}


def cars(root: Path) -> Copy:
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    kind = [("bbox_x1", object), ("class", object), ("fname", object)]
    for split, classes in {"train": [196, 1, 2], "test": [1, 196]}.items():
        rows = np.array([(1, number, f"{place:05d}.jpg") for place, number in enumerate(classes, 1)], dtype=kind)
        name = "devkit/cars_train_annos.mat" if split == "train" else "cars_test_annos_withlabels.mat"
        savemat(folder / name, {"annotations": rows})
        for place in range(1, len(classes) + 1):
            picture(folder / f"cars_{split}" / f"{place:05d}.jpg", place + 10 * len(split))
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array(CATALOGUE.datasets["cars"].classes, dtype=object)})
    dataset = open_dataset(tiny("cars", train=3, test=2), root)
    return dataset, {split: theirs(tv.StanfordCars(str(root), split)) for split in ("train", "test")}


def aircraft(root: Path) -> Copy:
    folder = root / "fgvc-aircraft-2013b/data"
    words(folder / "variants.txt", *CATALOGUE.datasets["aircraft"].classes)  # type: ignore[misc]
    for split, names in {"train": ["F-16A/B", "707-320"], "val": ["BAE 146-200", "F/A-18"], "test": ["Yak-42"]}.items():
        words(folder / f"images_variant_{split}.txt", *(f"{split}{place:07d} {name}" for place, name in enumerate(names)))
        for place in range(len(names)):
            picture(folder / "images" / f"{split}{place:07d}.jpg", place + 10 * len(split))
    dataset = open_dataset(tiny("aircraft", train=2, val=2, test=1), root)
    return dataset, {split: theirs(tv.FGVCAircraft(str(root), split, "variant")) for split in ("train", "val", "test")}


def dtd(root: Path) -> Copy:
    folder = root / "dtd/dtd"
    for split in ("train", "val", "test"):
        names = [f"{name}/{name}_{split}.jpg" for name in ("zigzagged", "banded", "polka-dotted")]
        words(folder / "labels" / f"{split}1.txt", *names)
        words(folder / "labels" / f"{split}2.txt", *reversed(names))
        for place, name in enumerate(names):
            picture(folder / "images" / name, place + 10 * len(split) + ord(split[0]))
    dataset = open_dataset(tiny("dtd", train=3, val=3, test=3), root)
    return dataset, {split: theirs(tv.DTD(str(root), split, partition=1)) for split in ("train", "val", "test")}


def pets(root: Path) -> Copy:
    folder = root / "oxford-iiit-pet"
    stems = [name.replace(" ", "_") for name in CATALOGUE.datasets["pets"].classes]  # type: ignore[union-attr]
    stems = [stem.lower() if "Bulldog" in stem or stem == "Beagle" else stem for stem in stems]  # dogs are small there
    lists = {
        "trainval": [f"{stem}_{number}00 {number} 1 1" for number, stem in enumerate(stems, 1)],
        "test": [f"{stems[-1]}_1 37 2 25", f"{stems[0]}_2 1 1 1"],
    }
    for split, lines in lists.items():
        words(folder / "annotations" / f"{split}.txt", *lines)
        for place, line in enumerate(lines):
            picture(folder / "images" / f"{line.split()[0]}.jpg", place + 10 * len(split))
    (folder / "images/Abyssinian_100.mat").write_bytes(b"stray")  # the archive has some
    train = tv.OxfordIIITPet(str(root), "trainval")
    dataset = open_dataset(tiny("pets", train=37, test=2), root)
    return dataset, {"train": theirs(train), "test": theirs(tv.OxfordIIITPet(str(root), "test"), train.classes)}


def caltech101(root: Path) -> Copy:
    folder = root / "caltech101/101_ObjectCategories"
    for place, name in enumerate(("BACKGROUND_Google", "accordion", "yin_yang")):
        for number in (1, 2, 3):
            picture(folder / name / f"image_{number:04d}.jpg", 10 * place + number, "L" if number == 2 else "RGB")
    listed = [f"{name}/image_0002.jpg" for name in ("BACKGROUND_Google", "accordion", "yin_yang")]
    words(root / "lists/caltech101-train.txt", *listed)
    declared = replace(tiny("caltech101", train=3, test=6), path=root / "caltech101.toml")
    whole = tv.Caltech101(str(root))
    items = dict(zip(zip(whole.y, whole.index, strict=True), theirs(whole, whole.categories), strict=True))
    wanted = {"train": [2], "test": [1, 3]}
    background = {
        number: (open_rgb(folder / f"BACKGROUND_Google/image_{number:04d}.jpg"), "background google") for number in (1, 2, 3)
    }
    reference = {
        split: [*(background[one] for one in numbers), *(items[label, one] for label in (0, 1) for one in numbers)]
        for split, numbers in wanted.items()
    }
    return open_dataset(declared, root), reference


def open_rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def flowers(root: Path) -> Copy:
    folder = root / "flowers-102"
    numbers = {"train": [4, 2], "val": [1, 6], "test": [3, 5, 7]}
    for place in range(1, 8):
        picture(folder / "jpg" / f"image_{place:05d}.jpg", place)
    savemat(folder / "imagelabels.mat", {"labels": np.array([[102, 1, 77, 3, 3, 50, 1]])})
    savemat(folder / "setid.mat", {SETS[split]: np.array([found]) for split, found in numbers.items()})

    files = {key: (name, None) for key, (name, _) in tv.Flowers102._file_dict.items()}
    unchecked = without_checks(tv.Flowers102, _file_dict=files)
    dataset = open_dataset(tiny("flowers", train=2, val=2, test=3), root)
    names = list(CATALOGUE.datasets["flowers"].classes)  # type: ignore[arg-type]
    return dataset, {split: theirs(unchecked(str(root), split), names) for split in numbers}


def stl10(root: Path) -> Copy:
    folder = root / "stl10_binary"
    words(folder / "class_names.txt", *CATALOGUE.datasets["stl10"].classes)  # type: ignore[misc]
    generator = np.random.default_rng(1)
    for split, labels in {"train": [10, 1, 2], "test": [5, 6]}.items():
        np.array(labels, dtype=np.uint8).tofile(folder / f"{split}_y.bin")
        generator.integers(0, 256, (len(labels), 3, 96, 96), dtype=np.uint8).tofile(folder / f"{split}_X.bin")

    unchecked = without_checks(tv.STL10, _check_integrity=lambda _: True)
    dataset = open_dataset(tiny("stl10", train=3, test=2), root)
    return dataset, {split: theirs(unchecked(str(root), split)) for split in ("train", "test")}


def imagenet(root: Path) -> Copy:
    wnids = ("n01440764", "n15075141")
    for place, wnid in enumerate(wnids):
        picture(root / "imagenet/train" / wnid / f"{wnid}_7.JPEG", place)
        picture(root / "imagenet/val" / wnid / "ILSVRC2012_val_00000001.JPEG", place + 10, "CMYK")
    dataset = open_dataset(tiny("imagenet", train=2, test=2), root)
    folders = {"train": "train", "test": "val"}
    return dataset, {split: theirs(tv.ImageFolder(str(root / "imagenet" / name))) for split, name in folders.items()}


LAYOUTS: tuple[Callable[[Path], Copy], ...] = (
    *(food101, cifar10, cifar100, sun397, cars, aircraft, dtd, pets, caltech101, flowers, stl10, imagenet),
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.__name__)
def test_every_item_is_that_of_torchvision(layout: Callable[[Path], Copy], tmp_path: Path) -> None:
    dataset, reference = layout(tmp_path)
    assert set(reference) == set(dataset.splits)
    for split, items in reference.items():
        assert_equal(ours(dataset, split), items)


def voc(root: Path, *, with_lists: bool) -> Dataset:
    folder = root / "VOCdevkit/VOC2007"
    objects = {  # image -> class and whether it is difficult
        "000001": [("dog", 0), ("person", 1), ("person", 0)],
        "000002": [("train", 1)],
        "000003": [("car", 0), ("train", 1), ("dog", 1)],
    }
    for place, split in enumerate(("train", "val", "test")):
        names = [f"{place}{image[1:]}" for image in objects]
        words(folder / "ImageSets/Main" / f"{split}.txt", *names)
        for image, found in zip(names, objects.values(), strict=True):
            picture(folder / "JPEGImages" / f"{image}.jpg", int(image))
            boxes = "".join(f"<object><name>{name}</name><difficult>{hard}</difficult></object>" for name, hard in found)
            words(folder / "Annotations" / f"{image}.xml", f"<annotation><filename>{image}.jpg</filename>{boxes}</annotation>")
        for name in CATALOGUE.datasets["voc2007"].classes if with_lists else ():  # type: ignore[union-attr]
            values = []
            for found in objects.values():
                hard = [is_hard for one, is_hard in found if one == name]
                values.append(-1 if not hard else 0 if all(hard) else 1)
            lines = [f"{image} {value:2d}" for image, value in zip(names, values, strict=True)]
            words(folder / "ImageSets/Main" / f"{name}_{split}.txt", *lines)
    return open_dataset(tiny("voc2007", train=3, val=3, test=3), root)


@pytest.mark.parametrize("with_lists", [True, False])
def test_voc_images_are_torchvisions_and_only_difficult_objects_are_not_judged(tmp_path: Path, with_lists: bool) -> None:
    dataset = voc(tmp_path, with_lists=with_lists)
    names = CATALOGUE.datasets["voc2007"].classes
    assert not isinstance(names, int)
    for split in ("train", "val", "test"):
        reference = tv.VOCDetection(str(tmp_path), year="2007", image_set=split)
        found = dataset.splits[split]
        for place, (image, target) in enumerate(map(reference.__getitem__, range(3))):
            assert np.array_equal(np.asarray(found.media["image"].load(place)), np.asarray(image))
            boxes = target["annotation"]["object"]
            easy = {box["name"] for box in boxes if box["difficult"] == "0"}
            hard = {box["name"] for box in boxes} - easy
            told = {names[column]: value for column, value in enumerate(found.label[place].tolist()) if value >= 0}
            assert told == dict.fromkeys(easy, 1) | dict.fromkeys(hard, 0)


@pytest.mark.parametrize(("rule", "value"), [("negative", -1), ("positive", 1)])
def test_the_other_conventions_of_difficult_objects_can_be_declared(tmp_path: Path, rule: str, value: int) -> None:
    voc(tmp_path, with_lists=True)
    dataset = open_dataset(replace(tiny("voc2007", train=3, val=3, test=3), difficult=rule), tmp_path)
    train = dataset.splits["test"]
    assert train.label[1, train.class_names.index("train")] == value


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match=r"test_batch: cannot be read as a batch of CIFAR \(it names os.system"):
        open_dataset(tiny("cifar10", train=10, test=2), tmp_path)


def test_a_truncated_jpeg_is_named(tmp_path: Path) -> None:
    dataset, _ = food101(tmp_path)
    path = tmp_path / "food-101/images/waffles/train0.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"waffles/train0.jpg: this image cannot be decoded"):
        ours(dataset, "train")


@pytest.mark.parametrize(
    ("layout", "lost", "message"),
    [
        (sun397, "SUN397/Training_01.txt", "SUN397/Training_01.txt is missing"),
        (dtd, "dtd/dtd/labels/val1.txt", "val1.txt: cannot be read"),
        (flowers, "flowers-102/imagelabels.mat", "imagelabels.mat is missing"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, layout: Any, lost: str, message: str) -> None:
    dataset, _ = layout(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(DataError, match=message):
        open_dataset(dataset.declaration, tmp_path)


def test_a_caltech101_that_lacks_an_image_of_the_list_is_refused_for_its_size_and_can_be_let_in(tmp_path: Path) -> None:
    dataset, _ = caltech101(tmp_path)
    (tmp_path / "caltech101/101_ObjectCategories/accordion/image_0002.jpg").unlink()
    with pytest.raises(DataError, match=r"2 examples.*3.*give --deviating"):
        open_dataset(dataset.declaration, tmp_path)
    let_in = open_dataset(dataset.declaration, tmp_path, deviating=True)
    assert len(let_in.splits["train"]) == 2
    assert len(let_in.splits["test"]) == 6
    assert let_in.deviations


def test_of_dtd_only_the_first_partition_is_read(tmp_path: Path) -> None:
    dataset, _ = dtd(tmp_path)
    other = replace(dataset.declaration, sources={"torchvision": {"layout": "dtd", "partition": 2}})
    assert open_dataset(other, tmp_path).splits["train"].ids.tolist() == dataset.splits["train"].ids.tolist()[::-1]
