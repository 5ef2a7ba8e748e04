"""The pack `fashion-mnist`: all 70,000 grey pictures of clothing of Fashion-MNIST, in ten classes."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np

from repbench.datasets.fetch.download import DEBIAN, Package, file_sha256
from repbench.datasets.fetch.pack import Columns, FetchedPack, png
from repbench.errors import DataError

INNER = Path("usr/share/datasets/fashion-mnist")
# Of the files, not of the Debian package: a new release of the package holds the same files.
FILES_SHA256 = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
OFFICIAL = {"train": "train", "t10k": "test"}  # stem of the files -> name of the split in ids
HELD = 12  # one training picture in so many is for validation


def read(folder: Path) -> Columns:
    """One row a picture: the official train file, then the test file. Raises DataError if a file is not the pinned one."""
    for name, digest in FILES_SHA256.items():
        if file_sha256(folder / INNER / name) != digest:
            raise DataError(f"{name} of the package is not the file that the pack is made from (its SHA-256 differs).")
    columns: dict[str, list[str | bytes]] = {name: [] for name in PACK.columns}
    for stem, official in OFFICIAL.items():
        images = idx(folder / INNER / f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        labels = idx(folder / INNER / f"{stem}-labels-idx1-ubyte.gz", 8)
        ids = [f"fashion-{official}-{row:05d}" for row in range(len(labels))]
        columns["id"] += ids
        columns["image"] += [png(pixels) for pixels in images]
        columns["item"] += [NAMES[label] for label in labels]
        columns["split"] += carve(ids, labels) if official == "train" else ["test"] * len(ids)
    return columns


def carve(ids: list[str], labels: np.ndarray) -> list[str]:
    """'val' for one in twelve of each class, the first by the SHA-256 of '0:' + id, and 'train' for the rest."""
    split = ["train"] * len(ids)
    for label in range(len(NAMES)):
        rows = np.flatnonzero(labels == label).tolist()
        rows.sort(key=lambda row: hashlib.sha256(f"0:{ids[row]}".encode()).digest())
        for row in rows[: len(rows) // HELD]:
            split[row] = "val"
    return split


def idx(path: Path, header: int) -> np.ndarray:
    """The bytes of a gzipped IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


PACK = FetchedPack(
    name="fashion-mnist",
    title="Fashion-MNIST in full, 70,000 pictures",
    packages=(Package(name="dataset-fashion-mnist", registry=DEBIAN, megabytes=31),),
    rows=70_000,
    licence="MIT",
    authors="Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando SE)",
    derivation=(
        "The official train file, then the test file, each in its own order; pixels are unchanged. Within each class of the"
        " train file the rows are ordered by the SHA-256 of '0:' + id: the first 500 are val, the other 5,500 train. The test"
        " split is the official one."
    ),
    columns={
        "id": "'fashion-', the official split ('train' or 'test') and the row number in its file, counted from 0",
        "image": "PNG, 28 x 28 pixels, 8-bit grey, bright article on black",
        "item": "class name as its authors write it: " + ", ".join(NAMES),
        "split": "'train' (5,500 a class) and 'val' (500), both of the official train file; 'test' (1,000)",
    },
    read=read,
    citation="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
    "Algorithms, arXiv:1708.07747, 2017.",
)
