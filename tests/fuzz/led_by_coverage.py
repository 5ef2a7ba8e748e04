"""Fuzzing led by coverage (atheris): `make fuzz-coverage`. Any bytes in any kind of file are read, or are an error in words."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["repbench"]):
    from repbench.datasets.items import EncodedItems
    from repbench.datasets.open import open_dataset
    from repbench.embeddings.store import Address, Shelf
    from repbench.encoders.spec import parse_spec
    from repbench.encoders.weights import read_weights
    from repbench.errors import RepbenchError
    from repbench.results.record import record_from_json
    from repbench.tasks import load_catalogue

ADDRESS = Address(tower="a", view="plain", precision="fp32")


def spec(data: bytes, _: Path) -> None:
    parse_spec(data.decode(errors="replace"))


def record(data: bytes, _: Path) -> None:
    record_from_json(data.decode(errors="replace"), "file")


def chunk(data: bytes, folder: Path) -> None:
    (folder / ADDRESS.folder).mkdir()
    (folder / ADDRESS.folder / "0.safetensors").write_bytes(data)
    assert Shelf(folder, ADDRESS).missing(["0" * 32])


def image(data: bytes, _: Path) -> None:
    EncodedItems("image", ["it"], [data]).load(0)


def sound(data: bytes, _: Path) -> None:
    EncodedItems("audio", ["it"], [data]).load(0)


def checkpoint(data: bytes, folder: Path) -> None:
    (folder / "weights.pt").write_bytes(data)
    read_weights(folder / "weights.pt", trust=False)


def declaration(data: bytes, folder: Path) -> None:
    (folder / "mine.toml").write_bytes(data)
    load_catalogue([folder / "mine.toml"])


FOLDERS = {  # where the one file of a dataset lies, by the source that reads it, and what its declaration says
    "parquet": ("mine/train-0.parquet", ""),
    "webdataset": ("wds/mine/train/0.tar", ""),
    "table": ("mine/table.csv", 'path = "mine/table.csv"'),
    "karpathy": ("mine/list.json", 'lists = ["list.json"]'),
    "folder": ("mine/train/a/0.png", ""),
}


def dataset(data: bytes, folder: Path) -> None:
    source = tuple(FOLDERS)[(data[0] if data else 0) % len(FOLDERS)]
    name, options = FOLDERS[source]
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(data[1:])
    text = 'title = "X"\nmetric = "accuracy"\nclasses = ["a", "b"]\n[splits]\ntrain = 2\n'
    (folder / "mine.toml").write_text(f"{text}[sources.{source}]\n{options}\n")
    declared = load_catalogue([folder / "mine.toml"]).datasets["mine"]
    for split in open_dataset(declared, folder).splits.values():
        for items in split.media.values():
            items.load(0)


TARGETS: tuple[Callable[[bytes, Path], None], ...] = (spec, record, chunk, image, sound, checkpoint, declaration, dataset)


tried: Counter[str] = Counter()


def one_input(data: bytes) -> None:
    """The first byte says what kind of file the others are."""
    if data:
        target = TARGETS[data[0] % len(TARGETS)]
        tried[target.__name__] += 1
        if tried.total() % 1000 == 0:
            print(dict(tried), flush=True)
        with tempfile.TemporaryDirectory() as folder, suppress(RepbenchError):
            target(data[1:], Path(folder))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
