"""CREPE's productivity probe (Ma et al. 2023): captions of 4 to 12 parts against five hard negatives, on Visual Genome."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field
from repbench.errors import DataError

KINDS = ("atom", "swap", "negate")
COMPLEXITIES = range(4, 13)
FOLDERS = ("VG_100K", "VG_100K_2")


def productivity(folder: Path, images: Path) -> Iterator[Row]:
    """`KIND/prod_vg_hard_negs_KIND_complexity_N.csv`: image_id, x, y, width, height, caption, hard_negs (a list)."""
    for kind in KINDS:
        for complexity in COMPLEXITIES:
            path = folder / kind / f"prod_vg_hard_negs_{kind}_complexity_{complexity}.csv"
            yield from _rows(path, images, f"{kind} {complexity}", kind)


def _rows(path: Path, images: Path, name: str, kind: str) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            entries = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    for number, entry in enumerate(entries):
        left, top, width, height = (int(float(field(entry, side, path))) for side in ("x", "y", "width", "height"))
        image = str(field(entry, "image_id", path))
        yield {
            "id": f"{name}/{number}",
            "image_0": Picture(_file(images, image), (left, top, left + width, top + height)),
            "caption_0": field(entry, "caption", path),
            **{f"caption_{k}": text for k, text in enumerate(_negatives(entry, path), start=1)},
            "kind": kind,
            "filename": image,
        }


def _negatives(entry: dict[str, str], path: Path) -> list[str]:
    try:
        found = ast.literal_eval(field(entry, "hard_negs", path))
    except (ValueError, SyntaxError) as error:
        raise DataError(f"{path}: hard_negs is no list of captions ({error}).") from error
    if len(found) != 5:
        raise DataError(f"{path}: an entry has {len(found)} hard negatives; expected 5.")
    return [str(one) for one in found]


def _file(images: Path, image: str) -> Path:
    """The file of an image: Visual Genome comes in two folders."""
    places = [images / folder / f"{image}.jpg" for folder in FOLDERS]
    return next((place for place in places if place.is_file()), places[0])
