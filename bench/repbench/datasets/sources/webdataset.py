"""WebDataset shards: tar files in which the parts of an example share their name up to its first dot, one after the other.

The folder is that of CLIP_benchmark's builder, in `wds/` or under the name of its repository (`wds_cars`, `wds_vtab-dtd`):
`classnames.txt`, `SPLIT/0.tar`, `SPLIT/1.tar`, ...; shards `SPLIT-000000.tar` are found too. Only the places of the parts are
kept; a picture is read when it is asked for.

A dataset that declares `[captions]` has them in the part `txt`, one a line, as CLIP_benchmark's `convert_retrieval_dataset`
writes them (`--retrieval`); `\\n` in a line stands for a line break inside a caption. Such an example needs no label.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.items import Items
from repbench.datasets.sources.folder import ENDINGS, spellings
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError

CLIP_BENCHMARK = {"aircraft": "fgvc_aircraft", "imagenet": "imagenet1k"}  # what it calls otherwise than we
Part = tuple[Path, int, int]  # shard, first byte, bytes


@dataclass(frozen=True, kw_only=True)
class Webdataset:
    """Options of `[sources.webdataset]`: `path` below the folder of `--data` (default: `wds/` and the dataset's name).

    `splits` maps our split names to theirs.
    """

    path: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)


def find(options: Webdataset, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The first folder of shards that holds all of every split, or where it would be."""
    folders = [data_folder(data) / name for name in _names(options, declaration)]
    absent = Absent(looked_for=" or ".join(map(str, folders)))
    for folder in (one for one in folders if one.is_dir()):
        theirs = [_theirs(folder, split, options) for split in declaration.splits]
        lacking = next((missing for split in theirs if (missing := _missing(folder, split))), "")
        if not lacking:
            return folder
        if absent.begun is None and any(_shards(folder, split) for split in theirs):
            absent = Absent(looked_for=lacking, begun=folder)
    return absent


def _names(options: Webdataset, declaration: DatasetDeclaration) -> tuple[str, ...]:
    """Where shards may lie below the folder of datasets: the declared place, and the names of CLIP_benchmark's repositories."""
    place = options.path or f"wds/{declaration.name}"
    name = place.rpartition("/")[2]
    theirs = CLIP_BENCHMARK.get(name, name)
    return place, f"wds_{theirs}", f"wds_vtab-{theirs}", f"wds/{theirs}", f"wds/vtab-{theirs}"


def _theirs(folder: Path, split: str, options: Webdataset) -> str:
    """What a split is called there: as declared, else by the first of its spellings that has shards."""
    if split in options.splits:
        return options.splits[split]
    return next((name for name in spellings(split) if _shards(folder, name)), split)


def read(options: Webdataset, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits in the order of their shards; captions in the declared column, a tuple an image.

    Raises DataError for missing shards and examples without a picture, a label or a text that is needed.
    """
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    splits = {split: _split(folder, split, _theirs(folder, split, options), declaration) for split in declaration.splits}
    names = folder / "classnames.txt"
    class_names = _lines(names) if names.is_file() else None
    return RawDataset(splits=splits, class_names=class_names, place=f"WebDataset shards in {folder}")


def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 ({error}).") from error


def _shards(folder: Path, theirs: str) -> list[Path]:
    return sorted([*folder.glob(f"{theirs}/*.tar"), *folder.glob(f"{theirs}-*.tar")], key=_number)


def _missing(folder: Path, theirs: str) -> str:
    """What is missing of the shards of a split, in words; "" for nothing."""
    shards = _shards(folder, theirs)
    if not shards:
        return f"{folder / theirs}/0.tar or {folder / theirs}-000000.tar"
    told = folder / theirs / "nshards.txt"
    count = told.read_text(errors="replace").strip()[:20] if told.is_file() else str(len(shards))
    return "" if count == str(len(shards)) else f"a shard ({told} says {count}, there are {len(shards)})"


def _split(folder: Path, split: str, theirs: str, declaration: DatasetDeclaration) -> RawSplit:
    shards = _shards(folder, theirs)
    endings = ENDINGS[declaration.columns[declaration.medium]]
    parts: list[Part] = []
    label: list[Any] = []
    texts: list[tuple[str, ...]] = []
    ids: list[str] = []
    for key, example in (found for shard in shards for found in _examples(shard)):
        picture = next((part for ending, part in example.items() if f".{ending}".endswith(endings)), None)
        mark = next((_label(key, ending, part) for ending, part in example.items() if ending in ("cls", "npy")), None)
        if mark is None and declaration.captions and declaration.class_count == 1:
            mark = 0
        if picture is None or mark is None:
            raise DataError(f"{key}: this example has {', '.join(example)}; expected a picture and a label, cls or npy.")
        if declaration.captions:
            texts.append(_captions(key, example))
        parts.append(picture)
        label.append(mark)
        ids.append(key)
    columns = {declaration.captions.column: _objects(texts)} if declaration.captions else {}
    media = {declaration.medium: _Parts(declaration.columns[declaration.medium], ids, parts)}
    return RawSplit(ids=np.array([f"{split}/{name}" for name in ids]), label=np.array(label), columns=columns, media=media)


def _captions(key: str, example: Mapping[str, Part]) -> tuple[str, ...]:
    """The texts of one image."""
    if "txt" not in example:
        raise DataError(f"{key}: this example has {', '.join(example)}; expected its captions too, txt, one a line.")
    try:
        lines = _bytes(example["txt"]).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{key}: its captions txt are not UTF-8 ({error}).") from error
    return tuple(line.replace(r"\n", "\n").strip() for line in lines if line.strip())


def _objects(texts: Sequence[tuple[str, ...]]) -> np.ndarray:
    """A column of tuples, (n,), which NumPy would else make a matrix of."""
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column


def _number(path: Path) -> tuple[int, str]:
    digits = re.findall(r"\d+", path.stem)
    return (int(digits[-1]) if digits else 0), path.name


def _examples(shard: Path) -> Iterator[tuple[str, dict[str, Part]]]:
    """Key -> the parts of each example of a shard, by ending."""
    key, example = "", dict[str, Part]()
    try:
        with tarfile.open(shard) as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                if (found := f"{shard.name}:{folder}/{stem}".replace(":/", ":")) != key:
                    if example:
                        yield key, example
                    key, example = found, {}
                example[ending.lower()] = (shard, member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{shard}: cannot be read as a tar file ({error}).") from error
    if example:
        yield key, example


def _label(key: str, ending: str, part: Part) -> Any:
    """A class number; or of several classes, 1 where it is there and -1 elsewhere (shards know of no difficult objects)."""
    data = _bytes(part)
    try:
        return int(data) if ending == "cls" else np.where(np.load(io.BytesIO(data), allow_pickle=False) > 0, 1, -1)
    except (ValueError, TypeError, EOFError, MemoryError) as error:
        raise DataError(f"{key}: its label {ending} cannot be read ({error}).") from error


def _bytes(part: Part) -> bytes:
    shard, first, size = part
    with shard.open("rb") as stream:
        stream.seek(first)
        return stream.read(size)


class _Parts(Items):
    """Items that are parts of uncompressed tar files."""

    def __init__(self, modality: str, names: Sequence[str], parts: Sequence[Part]) -> None:
        super().__init__(modality, names)
        self._parts = parts

    def content(self, place: int) -> bytes:
        return _bytes(self._parts[place])
