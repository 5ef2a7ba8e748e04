"""Image folders: `ROOT/SPLIT/CLASS/FILE`, the layout of torchvision's ImageFolder with a folder a split above it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.items import FileItems
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError

ENDINGS = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"),
    "audio": (".wav", ".flac", ".ogg", ".mp3"),
    "text": (".txt",),
}


SPELLINGS = {"val": ("val", "validation", "valid")}


def spellings(split: str) -> tuple[str, ...]:
    """The names that a split goes by on disk, the usual first."""
    return SPELLINGS.get(split, (split,))


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Options of `[sources.folder]`: `path`, absolute or below the folder of `--data`; default is the dataset's name."""

    path: str = ""


def find(options: Folder, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder above those of all splits, or where it would be: below `data`, else the folder one is in, else the cache's."""
    path = Path(options.path or declaration.name).expanduser()
    roots = [base / path for base in ([data] if data is not None else [Path(), data_folder()])]
    get = "pass the folder above it as --data (of train: --data-folder), or set sources.folder.path"
    absent = Absent(looked_for=f"{roots[0]}/{next(iter(declaration.splits))}", how_to_get=get)
    for root in roots:
        missing = [split for split in declaration.splits if not _place(root, split).is_dir()]
        if not missing:
            return root
        if len(missing) < len(declaration.splits) and absent.begun is None:
            absent = Absent(looked_for=f"{root}/{missing[0]}", how_to_get=get, begun=root)
    return absent


def read(options: Folder, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits below a folder; classes are the names of the sub-folders, sorted. Raises DataError for missing parts."""
    root = find(options, declaration, data)
    if isinstance(root, Absent):
        return root
    modality = declaration.columns[declaration.medium]
    splits = {split: _read_split(root, split, declaration.medium, modality) for split in declaration.splits}
    names = {str(name) for split in splits.values() for name in split.label}
    return RawDataset(splits=splits, class_names=tuple(sorted(names)), place=f"folder {root}")


def _place(root: Path, split: str) -> Path:
    """The folder of a split, under the first of its spellings that is there."""
    return next((root / name for name in spellings(split) if (root / name).is_dir()), root / split)


def _read_split(root: Path, split: str, column: str, modality: str) -> RawSplit:
    folder = _place(root, split)
    paths = sorted(
        path
        for path in folder.glob("*/**/*")
        if path.suffix.lower() in ENDINGS[modality] and path.is_file() and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder}: no {modality} file in any class folder (endings: {', '.join(ENDINGS[modality])}).")
    relative = [path.relative_to(folder) for path in paths]
    return RawSplit(
        ids=np.array([f"{split}/{path.as_posix()}" for path in relative]),
        label=np.array([path.parts[0] for path in relative]),
        columns={},
        media={column: FileItems(modality, paths)},
    )
