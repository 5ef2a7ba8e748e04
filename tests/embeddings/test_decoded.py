"""What one encoder of a command decoded is there for the next: not decoded again, not changed by anybody, not without end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from repbench.cli import cli
from repbench.datasets import items as items_module
from repbench.datasets.items import EncodedItems, Items
from repbench.embeddings.decoded import Decoded
from repbench.embeddings.extract import Extractor, Work, distinct
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower


class Counted(EncodedItems):
    """Images of noise that count how often they are decoded."""

    def __init__(self, count: int) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (count, 12, 10, 3), dtype=np.uint8)
        super().__init__("image", [f"image {place}" for place in range(count)], [_png(one) for one in noise])
        self.loads = 0

    def load(self, place: int) -> Any:
        self.loads += 1
        return super().load(place)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels(image: Any) -> Tensor:
    """The image as it is, of its first 10 columns and rows."""
    return torch.from_numpy(np.asarray(image, dtype=np.float32)[:10, :10].reshape(-1).copy())


def painted(image: Any) -> Tensor:
    """A preparation with bad manners: it paints over the image that it is given."""
    image.paste((0, 0, 0), (0, 0, image.width, image.height))
    return pixels(image)


def embed(folder: Path, items: Items, prepare: Any, view: str, decoded: Decoded | None) -> np.ndarray:
    found = distinct([(items, range(len(items)))])
    address = Address(tower="f", view=view, precision="fp32")
    work = Work(address=address, view=view, keys=tuple(found), places=tuple(found.values()))
    shelf = Shelf(folder, address)
    tower = Tower(prepare=prepare, module=nn.Identity(), dim=300, fingerprint="f")
    Extractor([work], [tower], {address: shelf}, ExtractOptions(), decoded=decoded).fill(work)
    return shelf.rows(items.keys)


@pytest.mark.parametrize("view", ["plain", "two-crops"])
def test_the_next_encoder_decodes_nothing_again_and_sees_the_same(tmp_path: Path, view: str) -> None:
    items, decoded = Counted(9), Decoded()
    first = embed(tmp_path / "first", items, pixels, view, decoded)
    second = embed(tmp_path / "second", items, pixels, view, decoded)
    assert items.loads == 9
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(first, embed(tmp_path / "alone", Counted(9), pixels, view, None))


def test_a_preparation_that_paints_over_its_image_spoils_it_for_nobody(tmp_path: Path) -> None:
    items, decoded = Counted(5), Decoded()
    alone = embed(tmp_path / "alone", items, pixels, "plain", None)
    for place in range(2):  # who fills it, and who takes from it
        assert not embed(tmp_path / f"painted {place}", items, painted, "plain", decoded).any()
    np.testing.assert_array_equal(embed(tmp_path / "after", items, pixels, "plain", decoded), alone)


def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    items, decoded = Counted(9), Decoded(most=4 * 12 * 10 * 4)  # of four images at four bytes a pixel
    for place in range(3):
        embed(tmp_path / str(place), items, pixels, "plain", decoded)
    assert items.loads == 9 + 5 + 5


def test_two_encoders_of_one_command_decode_each_image_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decodes = []

    def counted(data: bytes) -> Any:
        decodes.append(data)
        return items_module.decode_image(data)

    monkeypatch.setitem(items_module.DECODERS, "image", counted)
    out = ["--tasks", "knn/digits,alignment-uniformity/digits", "--limit", "20", "--out", str(tmp_path / "out")]
    line = ["run", "control:pixels", "control:random", *out, "--store", str(tmp_path / "store"), "--quiet"]
    with pytest.raises(SystemExit) as status:
        cli.main(line, standalone_mode=False)
    assert status.value.code == 0
    assert decodes
    assert len(decodes) == len(set(decodes))
