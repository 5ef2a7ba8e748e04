"""VALSE (Parcalabescu et al. 2022): eleven instruments of a caption and a foil; those that annotators found valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field, read_json

VOTES = 2  # of three annotators who must have taken the caption, not the foil, for the true one
INSTRUMENTS = (
    "actant-swap",
    "action-replacement",
    "coreference-hard",
    "coreference-standard",
    "counting-adversarial",
    "counting-hard",
    "counting-small-quant",
    "existence",
    "foil-it",
    "plurals",
    "relations",
)


def rows(folder: Path, images: Path) -> Iterator[Row]:
    """`INSTRUMENT.json`: `{id: {caption, foil, mturk: {caption, foil, other}, image_file}}`; images lie in one folder."""
    for kind in INSTRUMENTS:
        path = folder / f"{kind}.json"
        for name, entry in read_json(path).items():
            if field(field(entry, "mturk", path), "caption", path) < VOTES:
                continue
            caption, foil = field(entry, "caption", path), field(entry, "foil", path)
            filename = str(field(entry, "image_file", path))
            yield {
                "id": f"{kind}/{name}",
                "image_0": Picture(images / filename),
                "caption_0": caption[0] if isinstance(caption, list) else caption,
                "caption_1": foil[0] if isinstance(foil, list) else foil,
                "kind": kind,
                "filename": filename,
            }
