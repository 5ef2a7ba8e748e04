"""Datasets with known factors or groups in the layouts of their authors: a folder below that of `--data`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import did_you_mean

LAYOUTS = {  # layout -> its module in factored/, its folder, and what must lie there
    "3diebench": ("iebench", "3DIEBench", "train_images.npy"),
    "3dshapes": ("shapes3d", "3dshapes", "3dshapes.h5"),
    "causal3dident": ("causal3dident", "causal3dident", "trainset/raw_latents_0.npy"),
    "dollar-street": ("dollar_street", "dataset_dollarstreet", "images_v2_imagenet_test.csv"),
    "dsprites": ("dsprites", "dsprites", "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"),
    "geode": ("geode", "geode", "index.csv"),
    "norb": ("norb", "smallnorb", "smallnorb-5x46789x9x18x6x2x96x96-training-info.mat"),
    "pug-animals": ("pug_animals", "PUG_Animal", "labels_pug_animal.csv"),
}


@dataclass(frozen=True, kw_only=True)
class Factored:
    """Options of `[sources.factored]`: which layout; its folder below that of `--data`, where it is another than the usual one.

    `get` says in words where the data come from.
    """

    layout: str
    path: str = ""
    get: str = ""

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {self.layout!r}.{did_you_mean(self.layout, LAYOUTS)}")


def find(options: Factored, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder of the layout, or what would lie in it."""
    _, name, mark = LAYOUTS[options.layout]
    folder = data_folder(data) / (options.path or name)
    if (folder / mark).is_file() or (folder / f"{mark}.gz").is_file():
        return folder
    return Absent(looked_for=folder / mark, how_to_get=options.get)


def read(options: Factored, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The declared splits. Raises DataError for files that are missing or not as published."""
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    layout = importlib.import_module(f"repbench.datasets.factored.{LAYOUTS[options.layout][0]}")
    splits = {
        split: RawSplit(ids=found.ids, label=found.label, columns=found.columns, media={declaration.medium: found.items})
        for split, found in layout.read(folder, declaration.splits).items()
    }
    return RawDataset(splits=splits, class_names=layout.class_names(folder), place=f"folder {folder}", folder=folder)
