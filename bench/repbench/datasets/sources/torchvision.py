"""The layouts on disk that torchvision's dataset classes read and download: a folder of the published name below `--data`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import did_you_mean

LAYOUTS = {  # layout -> its module in layouts/, its folder, and what must lie there
    "aircraft": ("aircraft", "fgvc-aircraft-2013b", "data"),
    "caltech101": ("caltech101", "caltech101", "101_ObjectCategories"),
    "cars": ("cars", "stanford_cars", "devkit"),
    "celeba": ("celeba", "celeba", "list_attr_celeba.txt"),
    "cifar10": ("cifar", "cifar-10-batches-py", "test_batch"),
    "cifar100": ("cifar", "cifar-100-python", "test"),
    "dtd": ("dtd", "dtd/dtd", "labels"),
    "fairface": ("fairface", "fairface", "fairface_label_val.csv"),
    "flowers": ("flowers", "flowers-102", "setid.mat"),
    "food101": ("food101", "food-101", "meta"),
    "imagenet": ("imagenet", "imagenet", "val"),
    "pets": ("pets", "oxford-iiit-pet", "annotations"),
    "stl10": ("stl10", "stl10_binary", "test_y.bin"),
    "sun397": ("sun397", "SUN397", "ClassName.txt"),
    "waterbirds": ("waterbirds", "waterbird_complete95_forest2water2", "metadata.csv"),
    "waterbirds-wilds": ("waterbirds", "waterbirds_v1.0", "metadata.csv"),
    "voc2007": ("voc2007", "VOCdevkit/VOC2007", "ImageSets"),
}


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
    """The folder of the layout, or where it would be."""
    _, name, mark = LAYOUTS[options.layout]
    folder = data_folder(data) / name
    return (
        folder
        if (folder / mark).exists()
        else Absent(looked_for=folder / mark, how_to_get=f"repbench data fetch {declaration.name}")
    )


def read(options: Torchvision, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The official splits, in the official order. Raises DataError for files that are missing or not as published."""
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    if options.train_list and declaration.path is not None:
        options = replace(options, train_list=str(declaration.path.parent / options.train_list))
    layout = importlib.import_module(f"repbench.datasets.layouts.{LAYOUTS[options.layout][0]}")
    splits = {}
    for split in declaration.splits:
        found = layout.read(folder, split, options)
        splits[split] = RawSplit(
            ids=found.ids, label=found.label, columns=found.columns, media={declaration.medium: found.items}
        )
    return RawDataset(splits=splits, class_names=layout.class_names(folder), place=f"folder {folder}", folder=folder)
