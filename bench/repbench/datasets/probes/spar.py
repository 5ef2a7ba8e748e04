"""PUG: SPAR (Bordes et al. 2023): rendered animals, their sides and textures swapped in the caption; the hard-negative form."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field
from repbench.errors import DataError

SIDES = (("left", "right"), ("bottom", "top"))
BLANK, PLAIN = "blank", "Default"


def rows(folder: Path, images: Path) -> Iterator[Row]:
    """`labels.csv` with filename, world_name, character names, textures and the first one's position, beside the images.

    One animal: its side against the other side. Two animals, plain: exchanged; two with textures: exchanged. Images of other
    kinds have no hard negative and are left out, as are two animals of one kind.
    """
    path = folder / "labels.csv"
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            entries = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    for entry in entries:
        found = _captions({name: str(field(entry, name, path)) for name in NAMES})
        if found is not None:
            kind, true, false = found
            name = str(field(entry, "filename", path))
            yield {
                "id": name,
                "image_0": Picture(images / name),
                "caption_0": true,
                "caption_1": false,
                "kind": kind,
                "world": str(field(entry, "world_name", path)),
            }


NAMES = ("character_name", "character2_name", "character_texture", "character2_texture", "character1_pos")


def _captions(entry: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Kind, true caption and hard negative of an image."""
    one, other = entry["character_name"], entry["character2_name"]
    here, there = next((pair for pair in SIDES if pair[0] == entry["character1_pos"]), ("", ""))
    if BLANK in (one, other):
        if one == other or not here or entry["character_texture"] != PLAIN:
            return None
        animal, (side, wrong) = (one, (here, there)) if other == BLANK else (other, (there, here))
        words = "This is a photo of a {} on the {} of the picture"
        return f"one animal, {here} or {there}", words.format(animal, side), words.format(animal, wrong)
    if one == other:
        return None
    if entry["character_texture"] == PLAIN:
        if not here:
            return None
        words = f"This is a photo of a {{}} on the {here} and a {{}} on the {there} of the picture"
        return f"two animals, {here} or {there}", words.format(one, other), words.format(other, one)
    first, second = entry["character_texture"], entry["character2_texture"]
    words = f"This is a photo of a {{}} textured with {first} and a {{}} textured with {second}"
    return f"two animals, {first} or {second}", words.format(one, other), words.format(other, one)
