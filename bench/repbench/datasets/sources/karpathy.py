"""Images with several captions as they are published: Karpathy's lists of COCO and Flickr30k, in JSON or in the hub's CSV.

dataset_coco.json            {"images": [{"filepath": "val2014", "filename": …, "split": "test", "cocoid": …,
                              "sentences": [{"raw": …}, …]}, …]}
dataset_flickr30k.json       the same without filepath
flickr_annotations_30k.csv   columns raw (a JSON list of captions), split, filename, img_id

Seen in public readers of the first two (VLMo's, with a folder `karpathy` beside `val2014` and `flickr30k-images`; MAGIC's, with
`caption_datasets`) and of the third (nlphuji/flickr30k of the hub).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.inside import check_inside
from repbench.datasets.items import FileItems
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Karpathy:
    """Options of `[sources.karpathy]`.

    `lists`: names that the list may have, below the folder `path` of `--data` (default: the dataset's name). `images`: names
    that the folder of images may have there; "." for that folder itself.
    """

    lists: tuple[str, ...]
    images: tuple[str, ...] = (".",)
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class _Image:
    name: str
    captions: tuple[str, ...]


def find(options: Karpathy, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The list, or where it would be."""
    folder = data_folder(data) / (options.path or declaration.name)
    found = [folder / name for name in options.lists if (folder / name).is_file()]
    return found[0] if found else Absent(looked_for=folder / options.lists[0], how_to_get=declaration.about.note)


def read(options: Karpathy, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits in the order of the list; captions are in the column "caption", a tuple an image. Raises DataError."""
    path = find(options, declaration, data)
    if isinstance(path, Absent):
        return path
    by_split: dict[str, list[_Image]] = {}
    for split, image in _from_csv(path) if path.suffix == ".csv" else _from_json(path):
        by_split.setdefault(split, []).append(image)
    whole = data_folder(data) / (options.path or declaration.name)
    splits = {split: _raw(by_split.get(split, []), path.parent, whole, options, declaration) for split in declaration.splits}
    return RawDataset(splits=splits, class_names=None, place=f"the list {path}", folder=path.parent)


def _raw(images: list[_Image], folder: Path, whole: Path, options: Karpathy, declaration: DatasetDeclaration) -> RawSplit:
    """The images of a list in `folder`; none may lie outside `whole`, the folder of the dataset."""
    root = next((folder / name for name in options.images if images and (folder / name / images[0].name).is_file()), None)
    if images and root is None:
        looked = " or ".join(str(folder / name / images[0].name) for name in options.images)
        raise DataError(f"{declaration.name}: the images of the list are missing; looked for {looked}.")
    paths = [root / image.name for image in images] if root else []
    check_inside(paths, whole)
    captions = np.empty(len(images), dtype=object)
    captions[:] = [image.captions for image in images]
    return RawSplit(
        ids=np.array([image.name for image in images]),
        label=np.zeros(len(images), dtype=np.int64),
        columns={"caption": captions},
        media={declaration.medium: FileItems("image", paths)},
    )


def _from_json(path: Path) -> Iterator[tuple[str, _Image]]:
    try:
        for entry in json.loads(path.read_text(encoding="utf-8"))["images"]:
            name = "/".join(part for part in (entry.get("filepath", ""), entry["filename"]) if part)
            yield str(entry["split"]), _Image(name=name, captions=tuple(str(one["raw"]) for one in entry["sentences"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is no list of Karpathy's ({type(error).__name__}: {error}).") from error


def _from_csv(path: Path) -> Iterator[tuple[str, _Image]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                captions: Any = json.loads(row["raw"])
                yield str(row["split"]), _Image(name=row["filename"], captions=tuple(map(str, captions)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no list of images and captions ({type(error).__name__}: {error}).") from error
