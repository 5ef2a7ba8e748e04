"""The layouts on disk that torchvision's dataset classes read and download: a folder of the published name below `--data`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import begun_folder, data_folder, fetch_command
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import did_you_mean

ALL = ""  # in place of a split: what every split needs
Parts = Mapping[str, tuple[str | tuple[str, ...], ...]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout: its module in layouts/, its folder below `--data`, and by split the parts without which its reader can give
    nothing.

    A part may be a tuple of places of which one is enough; "{partition}" stands for that of the official partition.
    """

    module: str
    folder: str
    parts: Parts


def _each(pattern: str, *splits: str) -> Parts:
    """One part a split, of its name."""
    return {split: (pattern.format(split),) for split in splits}


def _partition(name: str) -> tuple[tuple[str, ...], ...]:
    """Where a list of SUN397's Partitions.zip may lie."""
    return (tuple(f"{place}{name}_{{partition:02d}}.txt" for place in ("", "Partitions/", "../", "../Partitions/")),)


SPLITS = ("train", "val", "test")
BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
CARS: Parts = {
    ALL: ("devkit/cars_meta.mat",),
    "train": ("devkit/cars_train_annos.mat", "cars_train"),
    "test": ("cars_test_annos_withlabels.mat", "cars_test"),
}
CELEBA: Parts = {ALL: ("list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba")}
FACES: Parts = {"train": ("fairface_label_train.csv",), "test": ("fairface_label_val.csv",)}
FOOD: Parts = {ALL: ("meta/train.json", "images"), "test": ("meta/test.json",)}
PETS: Parts = {ALL: ("annotations/trainval.txt", "images"), "test": ("annotations/test.txt",)}
STL: Parts = {ALL: ("class_names.txt",), "train": ("train_X.bin", "train_y.bin"), "test": ("test_X.bin", "test_y.bin")}
SUN: Parts = {ALL: ("ClassName.txt",), "train": _partition("Training"), "test": _partition("Testing")}
VARIANTS: Parts = {ALL: ("data/variants.txt", "data/images"), **_each("data/images_variant_{}.txt", *SPLITS)}
VOC: Parts = {ALL: ("JPEGImages",), **_each("ImageSets/Main/{}.txt", *SPLITS)}
_ROWS: tuple[tuple[str, str, str, Parts], ...] = (  # layout, module, folder, parts
    ("aircraft", "aircraft", "fgvc-aircraft-2013b", VARIANTS),
    ("caltech101", "caltech101", "caltech101", {ALL: ("101_ObjectCategories",)}),
    ("cars", "cars", "stanford_cars", CARS),
    ("celeba", "celeba", "celeba", CELEBA),
    ("cifar10", "cifar", "cifar-10-batches-py", {ALL: ("batches.meta",), "train": BATCHES, "test": ("test_batch",)}),
    ("cifar100", "cifar", "cifar-100-python", {ALL: ("meta",), **_each("{}", "train", "test")}),
    ("dtd", "dtd", "dtd/dtd", {ALL: ("labels", "images")}),
    ("fairface", "fairface", "fairface", FACES),
    ("flowers", "flowers", "flowers-102", {ALL: ("setid.mat", "imagelabels.mat", "jpg")}),
    ("food101", "food101", "food-101", FOOD),
    ("imagenet", "imagenet", "imagenet", {"train": ("train",), "test": ("val",)}),
    ("pets", "pets", "oxford-iiit-pet", PETS),
    ("stl10", "stl10", "stl10_binary", STL),
    ("sun397", "sun397", "SUN397", SUN),
    ("waterbirds", "waterbirds", "waterbird_complete95_forest2water2", {ALL: ("metadata.csv",)}),
    ("waterbirds-wilds", "waterbirds", "waterbirds_v1.0", {ALL: ("metadata.csv",)}),
    ("voc2007", "voc2007", "VOCdevkit/VOC2007", VOC),
)
LAYOUTS = {name: Layout(module=module, folder=folder, parts=parts) for name, module, folder, parts in _ROWS}


@dataclass(frozen=True, kw_only=True)
class Torchvision:
    """Options of `[sources.torchvision]`: which layout, and where it has several, which of the official partitions.

    `train_list` is a file, beside the declaration, that names the images of train where there is no official split.
    """

    layout: str
    partition: int = 1
    train_list: str = ""

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {self.layout!r}.{did_you_mean(self.layout, LAYOUTS)}")
        if not 1 <= self.partition <= 10:
            raise ValueError(f"partition is {self.partition}; expected 1 to 10.")


def find(options: Torchvision, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder of the layout if all its parts are there and no download of it is under way, or where it would be."""
    folder = data_folder(data) / LAYOUTS[options.layout].folder
    begun = begun_folder(declaration.name, data)
    if begun.is_dir():  # what came is moved to its place at the end, so until then that is not whole
        return Absent(looked_for="the rest of its download", how_to_get=fetch_command(declaration.name), begun=begun)
    is_there = is_part_there(options, declaration, data)
    missing = [path for path, is_here in is_there.items() if not is_here]
    if not missing:
        return folder
    is_begun = any(is_there.values())
    return Absent(looked_for=missing[0], how_to_get=fetch_command(declaration.name), begun=folder if is_begun else None)


def is_part_there(options: Torchvision, declaration: DatasetDeclaration, data: Path | None) -> dict[Path, bool]:
    """Of each part that the declared splits need, whether it is there; where several places would do, under the first."""
    layout = LAYOUTS[options.layout]
    folder = data_folder(data) / layout.folder
    found = {}
    for part in (part for split in (ALL, *declaration.splits) for part in layout.parts.get(split, ())):
        names = [name.format(partition=options.partition) for name in ((part,) if isinstance(part, str) else part)]
        found[folder / names[0]] = any((folder / name).exists() for name in names)
    return found


def read(options: Torchvision, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The official splits, in the official order. Raises DataError for files that are missing or not as published."""
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    if options.train_list and declaration.path is not None:
        options = replace(options, train_list=str(declaration.path.parent / options.train_list))
    layout = importlib.import_module(f"repbench.datasets.layouts.{LAYOUTS[options.layout].module}")
    splits = {}
    for split in declaration.splits:
        found = layout.read(folder, split, options)
        splits[split] = RawSplit(
            ids=found.ids, label=found.label, columns=found.columns, media={declaration.medium: found.items}
        )
    return RawDataset(splits=splits, class_names=layout.class_names(folder), place=f"folder {folder}", folder=folder)
