"""Compositional probes as their authors publish them: annotations beside a folder of images, below the folder of `--data`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.inside import check_inside
from repbench.datasets.probes.rows import Picture, table
from repbench.datasets.table import Absent, RawDataset
from repbench.errors import did_you_mean

LAYOUTS = {  # layout -> its function in probes/, and what must be there
    "sugarcrepe": ("sugarcrepe.rows", "add_att.json"),
    "sugarcrepe-pp": ("sugarcrepe.rows_with_two_true_captions", "swap_att.json"),
    "aro-relations": ("aro.relations", "visual_genome_relation.json"),
    "aro-attributes": ("aro.attributes", "visual_genome_attribution.json"),
    "coco-order": ("order.coco", "coco_karpathy_test.json"),
    "flickr30k-order": ("order.flickr30k", "flickr30k_test.json"),
    "valse": ("valse.rows", "existence.json"),
    "whatsup-photographs": ("whatsup.photographs", "controlled_images_dataset.json"),
    "whatsup-renderings": ("whatsup.renderings", "controlled_clevr_dataset.json"),
    "whatsup-coco-one": ("whatsup.coco_one", "coco_qa_one_obj.json"),
    "whatsup-coco-two": ("whatsup.coco_two", "coco_qa_two_obj.json"),
    "whatsup-gqa-one": ("whatsup.gqa_one", "vg_qa_one_obj.json"),
    "whatsup-gqa-two": ("whatsup.gqa_two", "vg_qa_two_obj.json"),
    "crepe-productivity": ("crepe.productivity", "atom"),
    "crepe-cc12m": ("crepe.cc12m", "syst_vg_hard_negs_seen_compounds_in_cc12m.csv"),
    "crepe-yfcc": ("crepe.yfcc", "syst_vg_hard_negs_seen_compounds_in_yfcc.csv"),
    "crepe-laion": ("crepe.laion", "syst_vg_hard_negs_seen_compounds_in_laion.csv"),
    "eqben": ("eqben.tenth", "eqben_subset_10percent_final.json"),
    "eqben-whole": ("eqben.whole", "all_select.json"),
    "pug-spar": ("spar.rows", "labels.csv"),
    "naturalbench": ("naturalbench.split", "."),
}


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Options of `[sources.annotations]`: which layout; where its files and its images lie, below the folder of `--data`.

    `path` is by default the dataset's name and `images` the folder of `path`; `get` says in words where they come from.
    """

    layout: str
    path: str = ""
    images: str = ""
    get: str = ""

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {self.layout!r}.{did_you_mean(self.layout, LAYOUTS)}")


def find(options: Annotations, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder of the annotations, where they and the folder of images are; or the first of them that is missing."""
    folder, images = _folders(options, declaration, data)
    for wanted in (folder / LAYOUTS[options.layout][1], images):
        if not wanted.exists():
            return Absent(looked_for=wanted, how_to_get=options.get)
    return folder


def read(options: Annotations, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The split test in the published order. Raises DataError for files that are missing or not as published."""
    found = find(options, declaration, data)
    if isinstance(found, Absent):
        return found
    folder, images = _folders(options, declaration, data)
    module, function = LAYOUTS[options.layout][0].split(".")
    layout = getattr(importlib.import_module(f"repbench.datasets.probes.{module}"), function)
    if module == "naturalbench":
        split = layout(folder, declaration)
    else:
        rows = list(layout(folder, images))
        check_inside((one.path for row in rows for one in row.values() if isinstance(one, Picture)), images, folder)
        split = table(rows, declaration)
    return RawDataset(splits={"test": split}, class_names=None, place=f"annotations in {folder}", folder=folder)


def _folders(options: Annotations, declaration: DatasetDeclaration, data: Path | None) -> tuple[Path, Path]:
    base = data_folder(data)
    path = options.path or declaration.name
    return base / path, base / (options.images or path)
