"""Extraction: each distinct item once; the same embeddings whatever the batch, the order, the workers or the other tasks."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from repbench.datasets.items import EncodedItems, Items
from repbench.embeddings.extract import Work, distinct, extract
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import DataError, EmbeddingError, UsageError


def images(count: int, repeat: int = 1) -> Items:
    generator = np.random.default_rng(0)
    blobs = []
    for _ in range(count):
        stream = io.BytesIO()
        Image.fromarray(generator.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(stream, "PNG")
        blobs.append(stream.getvalue())
    blobs = blobs * repeat
    return EncodedItems("image", [f"item {place}" for place in range(len(blobs))], blobs)


class Counted(nn.Module):
    """A small network that remembers how many rows went through it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network = nn.Sequential(
                nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 16)
            )
        self.passes: list[int] = []

    def __deepcopy__(self, _: object) -> Counted:
        raise TypeError("not copied, so that every pass is seen")

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.passes.append(len(batch))
        output: torch.Tensor = self.network(batch)
        return output


PREPARE = ImagePreprocess(size=16, resize=16, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def tower(prepare: Callable[[Any], torch.Tensor] = PREPARE) -> Tower:
    return Tower(prepare=prepare, module=Counted().eval(), dim=16, fingerprint="f")


def work(items: Items, places: list[int] | None = None, view: str = "plain") -> Work:
    found = distinct([(items, places if places is not None else list(range(len(items))))])
    return Work(
        address=Address(tower="f", view=view, precision="fp32"),
        view=view,
        keys=tuple(found),
        places=tuple(found.values()),
    )


def embed(root: Path, wanted: Work, **options: Any) -> np.ndarray:
    shelf = Shelf(root, wanted.address)
    extract(wanted, tower(), shelf, ExtractOptions(**options))
    return shelf.rows(wanted.keys)


def test_embeddings_are_those_of_the_plain_forward_pass(tmp_path: Path) -> None:
    items = images(10)
    got = embed(tmp_path, work(items), batch_size=4)[:, 0]
    with torch.no_grad():
        expected = tower().module(torch.stack([PREPARE(items.load(place)) for place in range(10)]))
    assert np.allclose(got, expected.numpy(), atol=1e-6)


def test_equal_items_are_embedded_once(tmp_path: Path) -> None:
    items = images(6, repeat=5)
    wanted = work(items)
    assert len(wanted.keys) == 6
    counted = tower()
    shelf = Shelf(tmp_path, wanted.address)
    extract(wanted, counted, shelf, ExtractOptions(batch_size=3))
    assert counted.module.passes == [2, 3, 3, 3]  # two looks, then two passes


def test_every_pass_has_the_same_shape_so_that_neighbours_do_not_matter(tmp_path: Path) -> None:
    items = images(11)
    whole = embed(tmp_path / "a", work(items), batch_size=4)
    some = [9, 2, 5]
    part = embed(tmp_path / "b", work(items, some), batch_size=4)
    assert np.array_equal(part, whole[some])


def test_batch_size_and_workers_do_not_change_an_embedding(tmp_path: Path) -> None:
    items = images(13)
    first = embed(tmp_path / "a", work(items), batch_size=13)
    assert np.allclose(first, embed(tmp_path / "b", work(items), batch_size=1), atol=1e-6)
    assert np.array_equal(first, embed(tmp_path / "c", work(items), batch_size=13, workers=2))


def test_a_second_run_embeds_nothing(tmp_path: Path) -> None:
    wanted = work(images(5))
    embed(tmp_path, wanted)
    counted = tower()
    extract(wanted, counted, Shelf(tmp_path, wanted.address), ExtractOptions())
    assert counted.module.passes == []


def test_two_crops_differ_from_each_other_and_repeat_themselves(tmp_path: Path) -> None:
    wanted = work(images(4), view="two-crops")
    first = embed(tmp_path / "a", wanted, batch_size=3)
    assert first.shape == (4, 2, 16)
    assert np.abs(first[:, 0] - first[:, 1]).max() > 1e-3
    assert np.array_equal(first, embed(tmp_path / "b", wanted, batch_size=3))
    state = torch.random.get_rng_state()
    other = embed(tmp_path / "c", wanted, batch_size=3, seed=1)
    assert not np.array_equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


def broken(count: int) -> Items:
    good = images(count)
    blobs = [good.content(place) for place in range(count)]
    blobs[1] = blobs[1][:70]
    return EncodedItems("image", [f"folder/{place}.png" for place in range(count)], blobs)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_undecodable_item_stops_the_run_and_is_named(tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError, match=r"folder/1.png: this image cannot be decoded .* --on-bad-item skip"):
        embed(tmp_path, work(broken(4)), workers=workers)


def test_an_undecodable_item_can_be_skipped_and_is_told(tmp_path: Path) -> None:
    items = broken(4)
    wanted = work(items)
    shelf = Shelf(tmp_path, wanted.address)
    skipped = extract(wanted, tower(), shelf, ExtractOptions(on_bad_item="skip"))
    assert list(skipped) == [items.keys[1]]
    assert "folder/1.png" in skipped[items.keys[1]]
    assert len(shelf.missing(items.keys)) == 1


def test_a_module_that_fails_is_an_error_about_the_encoder(tmp_path: Path) -> None:
    wanted = work(images(2))
    wrong = Tower(prepare=PREPARE, module=nn.Linear(3, 3), dim=3, fingerprint="f")
    with pytest.raises(EmbeddingError, match="the encoder failed on a batch of shape"):
        extract(wanted, wrong, Shelf(tmp_path, wanted.address), ExtractOptions())
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_module_of_another_width_than_declared_is_an_error(tmp_path: Path) -> None:
    wanted = work(images(2))
    wrong = Tower(prepare=PREPARE, module=Counted().eval(), dim=99, fingerprint="f")
    with pytest.raises(EmbeddingError, match=r"the encoder gave \(64, 16\); expected \(64, 99\)"):
        extract(wanted, wrong, Shelf(tmp_path, wanted.address), ExtractOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "--precision is 'fp8'"),
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"workers": -1}, "--workers is -1"),
        ({"on_bad_item": "ignore"}, "--on-bad-item is 'ignore'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExtractOptions(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that must be missing")
def test_a_device_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--device 'cuda' cannot be used"):
        embed(tmp_path, work(images(1)), device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_gives_the_embeddings_of_the_cpu(tmp_path: Path) -> None:
    wanted = work(images(9))
    assert np.allclose(embed(tmp_path / "a", wanted), embed(tmp_path / "b", wanted, device="cuda"), atol=1e-4)


def test_bf16_is_close_to_fp32_and_lies_on_its_own_shelf(tmp_path: Path) -> None:
    wanted = work(images(6))
    exact = embed(tmp_path / "a", wanted)
    half = embed(tmp_path / "b", wanted, precision="bf16")
    assert 0 < np.abs(exact - half).max() < 0.05
