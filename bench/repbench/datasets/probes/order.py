"""COCO-Order and Flickr30k-Order (ARO): a caption of Karpathy's test split against four perturbations of its word order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field, read_json
from repbench.datasets.probes.shuffles import check_frozen, perturbations, plain


def coco(folder: Path, images: Path) -> Iterator[Row]:
    """`coco_karpathy_test.json`: a list of `{image: "val2014/COCO_val2014_....jpg", caption: [...]}`."""
    yield from _rows(folder / "coco_karpathy_test.json", images)


def flickr30k(folder: Path, images: Path) -> Iterator[Row]:
    """`flickr30k_test.json`: a list of `{image: "flickr30k-images/....jpg", caption: [...]}`."""
    yield from _rows(folder / "flickr30k_test.json", images)


def _rows(path: Path, images: Path) -> Iterator[Row]:
    check_frozen()
    for number, entry in enumerate(read_json(path)):
        name = str(field(entry, "image", path))
        for place, caption in enumerate(field(entry, "caption", path)):
            texts = (plain(caption), *perturbations(caption))
            captions = {f"caption_{k}": text for k, text in enumerate(texts)}
            yield {"id": f"{number}/{place}", "image_0": Picture(images / name), **captions, "filename": name}
