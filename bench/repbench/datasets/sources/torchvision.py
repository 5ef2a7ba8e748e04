"""The layouts on disk that torchvision's dataset classes read and download: a folder of the published name below `--data`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import begun_folder, data_folder, fetch_command
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import did_you_mean

Parts = tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A layout: its module in layouts/, its folder below `--data`, and the parts without which its reader can give nothing.

    A part may be a tuple of places of which one is enough; "{partition}" stands for that of the official partition.
    """

    module: str
    folder: str
    parts: Parts


PARTITIONS = tuple(
    tuple(f"{place}{name}_{{partition:02d}}.txt" for place in ("", "Partitions/", "../", "../Partitions/"))
    for name in ("Training", "Testing")
)
CIFAR10 = tuple(f"data_batch_{number}" for number in range(1, 6))
FACES = ("fairface_label_train.csv", "fairface_label_val.csv")
CARS = ("devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat", "cars_train", "cars_test")
VARIANTS = tuple(f"data/images_variant_{split}.txt" for split in ("train", "val", "test"))
VOC = tuple(f"ImageSets/Main/{split}.txt" for split in ("train", "val", "test"))
STL = ("class_names.txt", "train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")
_ROWS: tuple[tuple[str, str, str, Parts], ...] = (  # layout, module, folder, parts
    ("aircraft", "aircraft", "fgvc-aircraft-2013b", ("data/variants.txt", *VARIANTS, "data/images")),
    ("caltech101", "caltech101", "caltech101", ("101_ObjectCategories",)),
    ("cars", "cars", "stanford_cars", CARS),
    ("celeba", "celeba", "celeba", ("list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba")),
    ("cifar10", "cifar", "cifar-10-batches-py", (*CIFAR10, "test_batch", "batches.meta")),
    ("cifar100", "cifar", "cifar-100-python", ("train", "test", "meta")),
    ("dtd", "dtd", "dtd/dtd", ("labels", "images")),
    ("fairface", "fairface", "fairface", FACES),
    ("flowers", "flowers", "flowers-102", ("setid.mat", "imagelabels.mat", "jpg")),
    ("food101", "food101", "food-101", ("meta/train.json", "meta/test.json", "images")),
    ("imagenet", "imagenet", "imagenet", ("train", "val")),
    ("pets", "pets", "oxford-iiit-pet", ("annotations/trainval.txt", "annotations/test.txt", "images")),
    ("stl10", "stl10", "stl10_binary", STL),
    ("sun397", "sun397", "SUN397", ("ClassName.txt", *PARTITIONS)),
    ("waterbirds", "waterbirds", "waterbird_complete95_forest2water2", ("metadata.csv",)),
    ("waterbirds-wilds", "waterbirds", "waterbirds_v1.0", ("metadata.csv",)),
    ("voc2007", "voc2007", "VOCdevkit/VOC2007", (*VOC, "JPEGImages")),
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
    lacking = missing_parts(options, data)
    begun = begun_folder(declaration.name, data)
    if begun.is_dir():  # what came is moved to its place at the end, so until then that is not whole
        return Absent(looked_for="the rest of its download", how_to_get=fetch_command(declaration.name), begun=begun)
    if not lacking:
        return folder
    is_begun = len(lacking) < len(LAYOUTS[options.layout].parts)
    return Absent(looked_for=lacking[0], how_to_get=fetch_command(declaration.name), begun=folder if is_begun else None)


def missing_parts(options: Torchvision, data: Path | None) -> list[Path]:
    """The parts of a layout that are not below the folder of datasets; of several places that would do, the first."""
    layout = LAYOUTS[options.layout]
    folder = data_folder(data) / layout.folder
    missing = []
    for part in layout.parts:
        names = [one.format(partition=options.partition) for one in ((part,) if isinstance(part, str) else part)]
        if not any((folder / name).exists() for name in names):
            missing.append(folder / names[0])
    return missing


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
