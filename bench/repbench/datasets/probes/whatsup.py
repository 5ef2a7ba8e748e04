"""What'sUp (Kamath et al. 2023): photographs in sets of four that differ in one preposition; spatial COCO and GQA captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field, read_json

SIDES = ("left", "right")


def photographs(folder: Path, images: Path) -> Iterator[Row]:
    """A, `controlled_images_dataset.json`: `{image_path: "ONE_PREPOSITION_OTHER.jpeg", caption_options: [true, ...]}`."""
    yield from _controlled(folder / "controlled_images_dataset.json", images / "controlled_images")


def renderings(folder: Path, images: Path) -> Iterator[Row]:
    """`controlled_clevr_dataset.json` (B), as A."""
    yield from _controlled(folder / "controlled_clevr_dataset.json", images / "controlled_clevr")


def coco_one(folder: Path, images: Path) -> Iterator[Row]:
    """`coco_qa_one_obj.json`: `[image id, true caption, false caption]`, images of COCO's val2017."""
    yield from _spatial(folder / "coco_qa_one_obj.json", lambda one: images / f"{int(one):012d}.jpg")


def coco_two(folder: Path, images: Path) -> Iterator[Row]:
    """`coco_qa_two_obj.json`, as with one object."""
    yield from _spatial(folder / "coco_qa_two_obj.json", lambda one: images / f"{int(one):012d}.jpg")


def gqa_one(folder: Path, images: Path) -> Iterator[Row]:
    """`vg_qa_one_obj.json`: as COCO's, images of GQA."""
    yield from _spatial(folder / "vg_qa_one_obj.json", lambda one: images / f"{one}.jpg")


def gqa_two(folder: Path, images: Path) -> Iterator[Row]:
    """`vg_qa_two_obj.json`, as with one object."""
    yield from _spatial(folder / "vg_qa_two_obj.json", lambda one: images / f"{one}.jpg")


def _controlled(path: Path, images: Path) -> Iterator[Row]:
    for entry in read_json(path):
        name = str(field(entry, "image_path", path)).rsplit("/", 1)[-1]
        parts = name.rsplit(".", 1)[0].split("_")
        objects, preposition = f"{parts[0]} {parts[-1]}", parts[1]
        captions = {f"caption_{k}": text for k, text in enumerate(field(entry, "caption_options", path))}
        yield {
            "id": name,
            "image_0": Picture(images / name),
            **captions,
            "kind": preposition,
            "set": objects,
            "pair": f"{objects} {'sides' if preposition in SIDES else 'other'}",
        }


def _spatial(path: Path, image: Callable[[str], Path]) -> Iterator[Row]:
    for number, (one, true, false, *_) in enumerate(read_json(path)):
        yield {
            "id": f"{path.stem}/{number}",
            "image_0": Picture(image(str(one))),
            "caption_0": true,
            "caption_1": false,
            "filename": str(one),
        }
