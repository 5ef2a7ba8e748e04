"""ARO's Visual Genome probes (Yuksekgonul et al. 2023): relations and attributes, the image cut to the box of both objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repbench.datasets.probes.rows import Picture, Row, field, read_json


def relations(folder: Path, images: Path) -> Iterator[Row]:
    """`visual_genome_relation.json`; the column relation is what the mean is taken over."""
    path = folder / "visual_genome_relation.json"
    for number, entry in enumerate(read_json(path)):
        yield {**_row(number, entry, images, path), "relation": str(field(entry, "relation_name", path))}


def attributes(folder: Path, images: Path) -> Iterator[Row]:
    """`visual_genome_attribution.json`; the column attributes is the pair that the mean is taken over."""
    path = folder / "visual_genome_attribution.json"
    for number, entry in enumerate(read_json(path)):
        yield {**_row(number, entry, images, path), "attributes": "_".join(field(entry, "attributes", path)[:2])}


def _row(number: int, entry: Mapping[str, Any], images: Path, path: Path) -> dict[str, Any]:
    left, top, width, height = (int(field(entry, f"bbox_{side}", path)) for side in "xywh")
    name = str(field(entry, "image_path", path))
    return {
        "id": f"{path.stem}/{number}",
        "image_0": Picture(images / name, (left, top, left + width, top + height)),
        "caption_0": field(entry, "true_caption", path),
        "caption_1": field(entry, "false_caption", path),
        "filename": name,
    }
