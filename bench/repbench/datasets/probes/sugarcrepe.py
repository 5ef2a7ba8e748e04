"""SugarCrepe and SugarCrepe++: one JSON file a kind of negative, images of COCO's val2017."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from repbench.datasets.probes.rows import Picture, Row, field, read_json

KINDS = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


def rows(folder: Path, images: Path) -> Iterator[Row]:
    """`{"0": {filename, caption, negative_caption}, ...}` of each of the seven kinds; numbers may have gaps."""
    for kind in KINDS:
        path = folder / f"{kind}.json"
        for number, entry in read_json(path).items():
            filename = str(field(entry, "filename", path))
            yield {
                "id": f"{kind}/{number}",
                "image_0": Picture(images / filename),
                "caption_0": field(entry, "caption", path),
                "caption_1": field(entry, "negative_caption", path),
                "kind": kind,
                "filename": filename,
            }


def rows_with_two_true_captions(folder: Path, images: Path) -> Iterator[Row]:
    """SugarCrepe++: a list of `{id, filename, caption, caption2, negative_caption}` of each kind that adds nothing."""
    for kind in KINDS[2:]:
        path = folder / f"{kind}.json"
        found = read_json(path)
        for number, entry in found.items() if isinstance(found, dict) else enumerate(found):
            filename = str(field(entry, "filename", path))
            yield {
                "id": f"{kind}/{number}",
                "image_0": Picture(images / filename),
                "caption_0": field(entry, "caption", path),
                "caption_1": field(entry, "caption2", path),
                "caption_2": field(entry, "negative_caption", path),
                "kind": kind,
                "filename": filename,
            }
