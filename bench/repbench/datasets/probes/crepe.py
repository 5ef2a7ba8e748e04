"""CREPE (Ma et al. 2023), on Visual Genome. Productivity: captions of 4 to 12 parts against five hard negatives.

Systematicity: captions whose compounds occur in a model's training data, and whose do not, against negatives in which single
words (atom), compounds (comp) or either (combined) are exchanged.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field
from repbench.errors import DataError

KINDS = ("atom", "swap", "negate")
COMPLEXITIES = range(4, 13)
SEEN = ("seen", "unseen")
EXCHANGED = ("atom", "comp", "combined")
MOST = 20  # hard negatives of an example of systematicity: their number differs
FOLDERS = ("VG_100K", "VG_100K_2")


def productivity(folder: Path, images: Path) -> Iterator[Row]:
    """`KIND/prod_vg_hard_negs_KIND_complexity_N.csv`: image_id, x, y, width, height, caption, hard_negs (a list)."""
    for kind in KINDS:
        for complexity in COMPLEXITIES:
            path = folder / kind / f"prod_vg_hard_negs_{kind}_complexity_{complexity}.csv"
            yield from _rows(path, images, f"{kind} {complexity}", kind)


def cc12m(folder: Path, images: Path) -> Iterator[Row]:
    """Systematicity for models trained on CC-12M: `syst_vg_hard_negs_seen_compounds_in_cc12m.csv`, and unseen."""
    return _systematicity(folder, images, "cc12m")


def yfcc(folder: Path, images: Path) -> Iterator[Row]:
    """As `cc12m`, for models trained on YFCC-15M."""
    return _systematicity(folder, images, "yfcc")


def laion(folder: Path, images: Path) -> Iterator[Row]:
    """As `cc12m`, for models trained on LAION-400M."""
    return _systematicity(folder, images, "laion")


def _systematicity(folder: Path, images: Path, training: str) -> Iterator[Row]:
    """An example for each kind of negatives (columns valid_hard_negs_atom, _comp, _combined) of which an entry has any."""
    for seen in SEEN:
        path = folder / f"syst_vg_hard_negs_{seen}_compounds_in_{training}.csv"
        for number, entry in enumerate(_entries(path)):
            for exchanged in EXCHANGED:
                negatives = _negatives(entry, f"valid_hard_negs_{exchanged}", path)
                if len(negatives) > MOST:
                    raise DataError(f"{path}: an entry has {len(negatives)} hard negatives; there is room for {MOST}.")
                if negatives:
                    yield {
                        "id": f"{seen} {exchanged}/{number}",
                        **_shown(entry, images, path),
                        **_captions(negatives + [""] * (MOST - len(negatives))),
                        "kind": f"{seen} {exchanged}",
                        "candidates": 1 + len(negatives),
                    }


def _rows(path: Path, images: Path, name: str, kind: str) -> Iterator[Row]:
    for number, entry in enumerate(_entries(path)):
        negatives = _negatives(entry, "hard_negs", path)
        if len(negatives) != 5:
            raise DataError(f"{path}: an entry has {len(negatives)} hard negatives; expected 5.")
        yield {"id": f"{name}/{number}", **_shown(entry, images, path), **_captions(negatives), "kind": kind}


def _entries(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def _shown(entry: dict[str, str], images: Path, path: Path) -> Row:
    """The part of the image, its caption, and the image's number."""
    left, top, width, height = (int(float(field(entry, side, path))) for side in ("x", "y", "width", "height"))
    image = str(field(entry, "image_id", path))
    return {
        "image_0": Picture(_file(images, image), (left, top, left + width, top + height)),
        "caption_0": field(entry, "caption", path),
        "filename": image,
    }


def _captions(negatives: list[str]) -> dict[str, str]:
    return {f"caption_{k}": text for k, text in enumerate(negatives, start=1)}


def _negatives(entry: dict[str, str], name: str, path: Path) -> list[str]:
    try:
        found = ast.literal_eval(field(entry, name, path))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(f"{path}: {name} is no list of captions ({error}).") from error
    if not isinstance(found, list):
        raise DataError(f"{path}: {name} is no list of captions ({found!r:.60}).")
    return [str(one) for one in found]


def _file(images: Path, image: str) -> Path:
    """The file of an image: Visual Genome comes in two folders."""
    places = [images / folder / f"{image}.jpg" for folder in FOLDERS]
    return next((place for place in places if place.is_file()), places[0])
