"""What a layout of a probe gives: rows of an id, pictures, captions and further columns; and a table made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import Items, decode_image, text_items
from repbench.datasets.table import RawSplit
from repbench.digests import digest_bytes
from repbench.errors import DataError


@dataclass(frozen=True)
class Picture:
    """An image file, whole or the part inside a box (left, top, right, bottom), in pixels."""

    path: Path
    box: tuple[int, int, int, int] | None = None


Row = Mapping[str, Any]  # "id", a Picture for each column of images, a text for each of captions, and further columns


def table(rows: Sequence[Row], declaration: DatasetDeclaration) -> RawSplit:
    """The split of these rows. Raises DataError where there is none or a column is missing."""
    if not rows:
        raise DataError(f"{declaration.name}: the annotations hold no example.")
    for column in declaration.columns:
        if column not in rows[0]:
            raise DataError(f"{declaration.name}: the annotations give no {column}; there are {', '.join(rows[0])}.")
    ids = [str(row["id"]) for row in rows]
    media: dict[str, Items] = {}
    for column, modality in declaration.columns.items():
        values = [row[column] for row in rows]
        media[column] = Pictures(values) if modality == "image" else text_items(values, [f"{one} {column}" for one in ids])
    further = [column for column in rows[0] if column not in (*declaration.columns, "id")]
    columns = {column: np.array([row[column] for row in rows]) for column in further}
    return RawSplit(ids=np.array(ids), label=np.zeros(len(rows), np.int64), columns=columns, media=media)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DataError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON ({error}).") from error


def field(entry: Mapping[str, Any], name: str, path: Path) -> Any:
    """One value of an annotation. Raises DataError that names the file and what is there."""
    if name not in entry:
        raise DataError(f"{path}: an entry has no {name!r}; it has {', '.join(map(str, entry))}.")
    return entry[name]


class Pictures(Items):
    """Images of files, of which several examples may show parts; `.npy` files hold pixels, uint8 (height, width, BGR)."""

    on_disk = True

    def __init__(self, pictures: Sequence[Picture]) -> None:
        super().__init__("image", [str(one.path) for one in pictures])
        self._pictures = pictures

    def content(self, place: int) -> bytes:
        """The bytes of the file, after the box in words where there is one."""
        picture = self._pictures[place]
        try:
            data = picture.path.read_bytes()
        except OSError as error:
            raise DataError(f"{picture.path}: cannot be read ({error.strerror}).") from error
        return b"box %d %d %d %d\n" % picture.box + data if picture.box is not None else data

    def load(self, place: int) -> Any:
        from PIL import Image

        picture = self._pictures[place]
        try:
            if picture.path.suffix == ".npy":
                pixels = np.load(picture.path, allow_pickle=False)
                return Image.fromarray(np.ascontiguousarray(pixels[:, :, 2::-1]))
            image = decode_image(picture.path.read_bytes())
        except Exception as error:  # PIL raises whatever its plugins raise
            raise DataError(f"{picture.path}: this image cannot be decoded ({error}).") from error
        return image if picture.box is None else image.crop(picture.box)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        known: dict[Picture, str] = {}  # a file of many examples is read once
        for place, picture in enumerate(self._pictures):
            if picture not in known:
                known[picture] = digest_bytes(b"image\0" + self.content(place))
        return tuple(known[picture] for picture in self._pictures)
