"""EqBen (Wang et al. 2023): two images that differ little, each with its caption; frames of videos, renderings, diffusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repbench.datasets.probes.rows import Picture, Row, field, read_json


def tenth(folder: Path, images: Path) -> Iterator[Row]:
    """`eqben_subset_10percent_final.json`, the published tenth: a list of `{image0, image1, caption0, caption1}`."""
    return _rows(folder / "eqben_subset_10percent_final.json", images)


def whole(folder: Path, images: Path) -> Iterator[Row]:
    """`all_select.json`, the whole in the same form."""
    return _rows(folder / "all_select.json", images)


def _rows(path: Path, images: Path) -> Iterator[Row]:
    for number, entry in enumerate(read_json(path)):
        names = [str(_either(entry, "image", k, path)) for k in range(2)]
        captions = [_either(entry, "caption", k, path) for k in range(2)]
        yield {
            "id": f"{number}",
            **{f"image_{k}": Picture(images / name) for k, name in enumerate(names)},
            **{f"caption_{k}": text[0] if isinstance(text, list) else text for k, text in enumerate(captions)},
            "kind": names[0].split("/", 1)[0],
        }


def _either(entry: Mapping[str, Any], name: str, k: int, path: Path) -> Any:
    """A value whose key may be written as in Winoground."""
    return entry[f"{name}_{k}"] if f"{name}_{k}" in entry else field(entry, f"{name}{k}", path)
