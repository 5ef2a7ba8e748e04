"""Encoders of one command that prepare images in one way: one pass over the data, and the embeddings of separate runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from repbench.cli import cli
from repbench.datasets import items
from repbench.encoders.load import load_encoder
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import EncoderError
from repbench.results.files import read_records
from repbench.results.record import DONE
from repbench.run.engines import local

ALIKE = ("random:test_resnet,size=32,interpolation=bicubic", "random:test_vit,size=32,interpolation=bicubic")
OTHER = "random:test_resnet,size=48,name=larger"
TASKS = "knn/colours,alignment-uniformity/colours"
DISTINCT = 60  # images of `colours`
PREPARED = 60 + 2 * 18  # of which 18 are wanted in two crops too
TRIED = 1  # image on which an encoder is tried when it is loaded


class Counts:
    """How often images were decoded and prepared, by this process and those that it begins: a byte in a file each time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._files = {name: os.open(folder / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY) for name in ("decoded", "prepared")}
        self._folder = folder
        decode, pixels = items.decode_image, ImagePreprocess.pixels

        def decoded(data: bytes) -> Any:
            os.write(self._files["decoded"], b".")
            return decode(data)

        def prepared(own: ImagePreprocess, image: Any) -> torch.Tensor:
            os.write(self._files["prepared"], b".")
            return pixels(own, image)

        monkeypatch.setitem(items.DECODERS, "image", decoded)
        monkeypatch.setattr(ImagePreprocess, "pixels", prepared)

    def taken(self) -> tuple[int, int]:
        """Both since the last time."""
        found = tuple((self._folder / name).stat().st_size for name in ("decoded", "prepared"))
        for file in self._files.values():
            os.ftruncate(file, 0)
        return found[0], found[1]


def run(root: Path, name: str, *specs: str, workers: int = 0) -> int:
    line = ["run", *specs, "--tasks", TASKS, "--plugin", str(root / "colours.toml"), "--data", str(root / "data"), "--quiet"]
    line += ["--out", str(root / f"results-{name}"), "--store", str(root / f"store-{name}"), "--workers", str(workers)]
    with pytest.raises(SystemExit) as status:
        cli.main(line, standalone_mode=False)
    return int(str(status.value.code))


def stored(root: Path, name: str) -> dict[str, Any]:
    """What lies in a store: for each file its arrays as bytes."""
    found = sorted((root / f"store-{name}").rglob("*.safetensors"))
    return {f"{one.parent.name}/{one.name}": {key: x.tobytes() for key, x in load_file(one).items()} for one in found}


@pytest.mark.parametrize("workers", [0, 2])
def test_images_are_decoded_and_prepared_once_for_encoders_that_prepare_alike(
    workers: int, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (load_encoder(spec).towers["image"].prepare for spec in ALIKE)
    assert first == second
    counts = Counts(colours, monkeypatch)
    for spec in ALIKE:
        assert run(colours, "apart", spec, workers=workers) == 0
    assert counts.taken() == (2 * DISTINCT, 2 * PREPARED + 2 * TRIED)
    assert run(colours, "together", *ALIKE, workers=workers) == 0
    assert counts.taken() == (DISTINCT, PREPARED + 2 * TRIED)
    assert len(stored(colours, "together")) >= 4
    assert stored(colours, "together") == stored(colours, "apart")
    apart, together = (
        {(one.encoder, one.task): (one.inputs, one.metrics) for one in read_records(colours / f"results-{name}")}
        for name in ("apart", "together")
    )
    assert apart == together


@pytest.mark.parametrize("workers", [0, 2])
def test_an_encoder_that_prepares_otherwise_is_given_what_is_decoded_once(
    workers: int, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts(colours, monkeypatch)
    assert run(colours, "together", ALIKE[0], OTHER, ALIKE[1], workers=workers) == 0
    assert counts.taken() == (DISTINCT, 2 * PREPARED + 3 * TRIED)
    for spec in (*ALIKE, OTHER):
        assert run(colours, "apart", spec) == 0
    assert stored(colours, "together") == stored(colours, "apart")


def test_networks_that_are_too_large_together_take_turns(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    execute = local.execute_together

    def counted(plans: Any, *given: Any) -> Any:
        begun.append(len(plans))
        return execute(plans, *given)

    monkeypatch.setattr(local, "execute_together", counted)
    assert run(colours, "small", *ALIKE, OTHER) == 0
    assert begun == [3]
    begun.clear()
    weights = sum(one.nbytes for one in load_encoder(ALIKE[0]).towers["image"].module.parameters())
    monkeypatch.setattr(local, "TOGETHER", weights)
    assert run(colours, "large", *ALIKE, OTHER) == 0
    assert begun == [1, 1, 1]
    assert stored(colours, "large") == stored(colours, "small")


def test_one_that_fails_in_the_pass_of_another_fails_alone(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(colours, "apart", ALIKE[0]) == 0
    (colours / "broken.py").write_text(
        "import torch\n"
        "from repbench.encoder import Encoder, Tower\n"
        "from repbench.encoders.load import load_encoder\n"
        f"prepare = load_encoder({ALIKE[0]!r}).towers['image'].prepare\n"
        "class Broken(torch.nn.Linear):\n"
        "    def forward(self, batch):\n"
        "        raise ValueError('not today')\n"
        "tower = Tower(prepare=prepare, module=Broken(2, 2), dim=2, fingerprint='broken')\n"
        "def encoder():\n"
        "    return Encoder(name='broken', towers={'image': tower})\n"
    )
    assert run(colours, "together", ALIKE[0], f"python:{colours / 'broken.py'}:encoder") == 1
    done = {(one.encoder, one.status) for one in read_records(colours / "results-together")}
    assert done == {(load_encoder(ALIKE[0]).name, DONE), ("python:broken.py:encoder", "failed")}
    assert stored(colours, "together") == stored(colours, "apart")


def test_one_that_cannot_be_loaded_stops_nobody_who_is_held(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(spec: Any, options: Any) -> Any:
        if spec.text == OTHER:
            raise EncoderError("no such weights")
        return random_load(spec, options)

    from repbench.encoders.sources import random

    random_load = random.load
    monkeypatch.setattr(random, "load", refused)
    assert run(colours, "held", ALIKE[0], OTHER, ALIKE[1]) == 1
    assert [one.status for one in read_records(colours / "results-held")] == [DONE] * 4
