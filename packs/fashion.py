"""The pack `fashion`: a stratified part of Fashion-MNIST, 3,000 grey pictures of clothing in ten classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from packs.common import About, Source, png, sha256, write_pack
from packs.debian import unpacked
from packs.digits import by_hash
from repbench.datasets.fetch.fashion_mnist import FILES_SHA256, INNER, NAMES, idx

PACKAGE = "dataset-fashion-mnist"
# Official file -> (its name in ids, how many rows of each class go to which split).
PLAN = {"train": ("train", {"train": 150, "val": 50}), "t10k": ("test", {"test": 100})}

ABOUT = About(
    title="Fashion-MNIST, a stratified part of 3,000 pictures",
    sources=tuple(
        Source(
            package=f"{PACKAGE} 0.0~git20200523.55506a9-1 (Debian), file {name}",
            sha256=digest,
            licence="MIT",
            authors="Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando SE)",
        )
        for name, digest in FILES_SHA256.items()
    ),
    derivation=(
        "Within each class of each official file the rows are ordered by the SHA-256 of '0:' + id. Of the official train file "
        "the first 150 are train and the next 50 val; of the official test file the first 100 are test. Pixels are unchanged. "
        "Rows: official train file first, then the test file, each in its own order."
    ),
    columns={
        "id": "'fashion-', the official split ('train' or 'test') and the row number in its file, counted from 0",
        "image": "PNG, 28 x 28 pixels, 8-bit grey, bright article on black",
        "item": "class name as its authors write it: " + ", ".join(NAMES),
        "split": "'train' (150 a class), 'val' (50), both of the official train file; 'test' (100), of the official test file",
    },
    citation="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
    "Algorithms, arXiv:1708.07747, 2017.",
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `fashion.parquet` into `folder` from Debian's package in `downloads`, which is fetched if absent."""
    source = _source(downloads)
    columns: dict[str, list[str | bytes]] = {name: [] for name in ABOUT.columns}
    for stem, (official, sizes) in PLAN.items():
        images = idx(source / f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        labels = idx(source / f"{stem}-labels-idx1-ubyte.gz", 8)
        chosen = _choose(official, labels, sizes)
        for row in sorted(chosen):
            columns["id"].append(_identifier(official, row))
            columns["image"].append(png(images[row]))
            columns["item"].append(NAMES[labels[row]])
            columns["split"].append(chosen[row])
    return write_pack("fashion", columns, ABOUT, folder)


def _choose(official: str, labels: np.ndarray, sizes: dict[str, int]) -> dict[int, str]:
    """Row -> split for the rows that are kept, so many a class as `sizes` says."""
    chosen = {}
    for label in range(len(NAMES)):
        rows = {_identifier(official, row): row for row in np.flatnonzero(labels == label).tolist()}
        waiting = iter(by_hash(list(rows)))
        for split, size in sizes.items():
            for _ in range(size):
                chosen[rows[next(waiting)]] = split
    return chosen


def _identifier(official: str, row: int) -> str:
    return f"fashion-{official}-{row:05d}"


def _source(downloads: Path) -> Path:
    """The folder of the four official files. Raises ValueError if one is not the pinned one."""
    folder = unpacked(PACKAGE, downloads) / INNER
    for name, digest in FILES_SHA256.items():
        if sha256(folder / name) != digest:
            raise ValueError(f"{name} in {PACKAGE} is not the file that the pack is made from (its SHA-256 differs).")
    return folder
