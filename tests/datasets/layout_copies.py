"""Tiny copies of the transfer datasets in the layouts of torchvision, of any classes: every image of the splits' labels."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

Splits = Mapping[str, Sequence[int]]  # split -> the label of each image


def _pixels(path: Path, side: int) -> np.ndarray:
    return np.random.default_rng([*str(path.name).encode()]).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_pixels(path, 8)).save(path, "JPEG")


def _lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def food101(root: Path, names: Sequence[str], splits: Splits) -> None:
    for split, labels in splits.items():
        listed: dict[str, list[str]] = {name: [] for name in names}
        for place, label in enumerate(labels):
            listed[names[label]].append(f"{names[label]}/{split}{place}")
            _picture(root / "food-101/images" / names[label] / f"{split}{place}.jpg")
        _lines(root / "food-101/meta" / f"{split}.json", [json.dumps(listed)])


def cifar(root: Path, names: Sequence[str], splits: Splits, *, hundred: bool = False) -> None:
    folder = root / ("cifar-100-python" if hundred else "cifar-10-batches-py")
    folder.mkdir(parents=True)
    batches = {"train": ["train"] if hundred else [f"data_batch_{number}" for number in range(1, 6)]}
    batches["test"] = ["test" if hundred else "test_batch"]
    for split, labels in splits.items():
        for name, part in zip(batches[split], np.array_split(np.array(labels), len(batches[split])), strict=True):
            data = np.stack([_pixels(Path(f"{name}{place}"), 32).reshape(-1) for place in range(len(part))])
            content = {"data": data, "fine_labels" if hundred else "labels": part.tolist()}
            (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    meta, key = ("meta", "fine_label_names") if hundred else ("batches.meta", "label_names")
    (folder / meta).write_bytes(pickle.dumps({key: list(names)}, protocol=2))


def cifar100(root: Path, names: Sequence[str], splits: Splits) -> None:
    cifar(root, names, splits, hundred=True)


def sun397(root: Path, names: Sequence[str], splits: Splits) -> None:
    folders = [f"/{name[0]}/{name}" for name in names]
    _lines(root / "SUN397/ClassName.txt", folders)
    for split, labels in splits.items():
        images = [f"{folders[label]}/sun_{split}{place}.jpg" for place, label in enumerate(labels)]
        _lines(root / "SUN397" / f"{split.capitalize()}ing_01.txt", images)
        for image in images:
            _picture(root / "SUN397" / image[1:])


def cars(root: Path, names: Sequence[str], splits: Splits) -> None:
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array(names, dtype=object)})
    lists = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
    for split, labels in splits.items():
        rows = [(label + 1, f"{split}{place}.jpg") for place, label in enumerate(labels)]
        savemat(folder / lists[split], {"annotations": np.array(rows, dtype=[("class", object), ("fname", object)])})
        for _, image in rows:
            _picture(folder / f"cars_{split}" / image)


def aircraft(root: Path, names: Sequence[str], splits: Splits) -> None:
    folder = root / "fgvc-aircraft-2013b/data"
    _lines(folder / "variants.txt", names)
    for split, labels in splits.items():
        rows = [f"{split}{place} {names[label]}" for place, label in enumerate(labels)]
        _lines(folder / f"images_variant_{split}.txt", rows)
        for row in rows:
            _picture(folder / "images" / f"{row.split()[0]}.jpg")


def dtd(root: Path, names: Sequence[str], splits: Splits) -> None:
    for split, labels in splits.items():
        images = [f"{names[label]}/{names[label]}_{split}{place}.jpg" for place, label in enumerate(labels)]
        _lines(root / "dtd/dtd/labels" / f"{split}1.txt", images)
        for image in images:
            _picture(root / "dtd/dtd/images" / image)


def pets(root: Path, names: Sequence[str], splits: Splits) -> None:
    folder = root / "oxford-iiit-pet"
    for split, labels in splits.items():
        rows = [f"{names[label].replace(' ', '_')}_{split}{place} {label + 1} 1 1" for place, label in enumerate(labels)]
        _lines(folder / "annotations" / f"{'trainval' if split == 'train' else split}.txt", rows)
        for row in rows:
            _picture(folder / "images" / f"{row.split()[0]}.jpg")


def caltech101(root: Path, names: Sequence[str], splits: Splits) -> None:
    listed, numbers = [], dict.fromkeys(names, 0)
    for split, labels in splits.items():
        for name in (names[label] for label in labels):
            numbers[name] += 1
            image = f"{name}/image_{numbers[name]:04d}.jpg"
            _picture(root / "caltech101/101_ObjectCategories" / image)
            listed += [image] if split == "train" else []
    _lines(root / "lists/caltech101-train.txt", listed)


def flowers(root: Path, names: Sequence[str], splits: Splits) -> None:
    folder, number, every = root / "flowers-102", 0, list[int]()
    sets = {}
    for split, labels in splits.items():
        sets[{"train": "trnid", "val": "valid", "test": "tstid"}[split]] = np.arange(number + 1, number + len(labels) + 1)
        number, every = number + len(labels), [*every, *(label + 1 for label in labels)]
    for image in range(1, number + 1):
        _picture(folder / "jpg" / f"image_{image:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": np.array([every])})
    savemat(folder / "setid.mat", {name: ids[None] for name, ids in sets.items()})


def stl10(root: Path, names: Sequence[str], splits: Splits) -> None:
    folder = root / "stl10_binary"
    _lines(folder / "class_names.txt", names)
    for split, labels in splits.items():
        np.array([label + 1 for label in labels], dtype=np.uint8).tofile(folder / f"{split}_y.bin")
        images = [_pixels(Path(f"{split}{place}"), 96) for place in range(len(labels))]
        np.stack(images).reshape(-1, 3, 96, 96).tofile(folder / f"{split}_X.bin")


def imagenet(root: Path, names: Sequence[str], splits: Splits) -> None:
    for split, labels in splits.items():
        for place, label in enumerate(labels):
            _picture(root / "imagenet" / ("train" if split == "train" else "val") / names[label] / f"{split}_{place}.JPEG")


def voc2007(root: Path, names: Sequence[str], splits: Splits) -> None:
    """Each image has its class and the next one."""
    folder = root / "VOCdevkit/VOC2007"
    for split, labels in splits.items():
        _lines(folder / "ImageSets/Main" / f"{split}.txt", [f"{split}{place}" for place in range(len(labels))])
        for place, label in enumerate(labels):
            there = (names[label], names[(label + 1) % len(names)])
            boxes = "".join(f"<object><name>{name}</name><difficult>0</difficult></object>" for name in there)
            _lines(folder / "Annotations" / f"{split}{place}.xml", [f"<annotation>{boxes}</annotation>"])
            _picture(folder / "JPEGImages" / f"{split}{place}.jpg")


Writer = Callable[..., Any]
LAYOUTS: Mapping[str, Writer] = {
    one.__name__: one
    for one in (food101, cifar100, sun397, cars, aircraft, dtd, pets, caltech101, flowers, stl10, imagenet, voc2007)
} | {"cifar10": cifar}
