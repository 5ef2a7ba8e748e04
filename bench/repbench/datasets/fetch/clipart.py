"""The pack `clipart`: the drawings of the Open Clip Art Library that lie in folders of at least fifty."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from pathlib import Path

from repbench.datasets.fetch.download import DEBIAN, Package
from repbench.datasets.fetch.pack import Columns, FetchedPack, split_of
from repbench.datasets.items import decode_image

INNER = Path("usr/share/openclipart/png")
LEAST = 50  # pictures in a folder that serves as a class
NO_CLASS = ("unsorted",)
MOST_PIXELS = 4_000_000  # six pictures are larger, of 40 to 623 million pixels


def read(folder: Path) -> Columns:
    """One row a PNG of a large folder, in order of its path; links to other pictures are left out."""
    root = folder / INNER
    columns: dict[str, list[str | bytes]] = {name: [] for name in PACK.columns}
    files = sorted(path for path in root.rglob("*.png") if path.is_file() and not path.is_symlink())
    sizes = Counter(path.parent for path in files)
    first: dict[bytes, str] = {}  # equal pictures stay in one split
    for path in files:
        label = path.parent.relative_to(root).as_posix()
        if sizes[path.parent] < LEAST or label in NO_CLASS:
            continue
        image = path.read_bytes()
        if (look := _look(image)) is not None:
            identifier = path.relative_to(root).with_suffix("").as_posix()
            columns["id"].append(identifier)
            columns["image"].append(image)
            columns["folder"].append(label)
            columns["split"].append(split_of(first.setdefault(look, identifier)))
    return columns


def _look(image: bytes) -> bytes | None:
    """A digest of the pixels of a PNG as an encoder sees them; None if it is of one colour or too large to decode."""
    width, height = struct.unpack(">II", image[16:24])  # the header of a PNG
    if width * height > MOST_PIXELS:
        return None
    picture = decode_image(image)
    if picture.getcolors(1) is not None:
        return None
    return hashlib.sha256(f"{width} {height} ".encode() + picture.tobytes()).digest()


PACK = FetchedPack(
    name="clipart",
    title="Drawings of the Open Clip Art Library, by folder",
    packages=(Package(name="openclipart-png", registry=DEBIAN, megabytes=131),),
    rows=4859,
    licence="public domain",
    authors="Contributors of the Open Clip Art Library; the package names each",
    derivation=(
        f"Every PNG that lies directly in a folder of at least {LEAST} of them, in order of its path, without the folder"
        " 'unsorted', without links, pictures of one colour and six of more than four million pixels. The files are unchanged."
        " The split is the SHA-256 of '0:' + id against the shares 0.60, 0.15, 0.25 (train, val, test); a picture that occurs"
        " twice takes the split of the first."
    ),
    columns={
        "id": "path of the picture below the folder of PNG files, without ending",
        "image": "PNG as in the package; many have an alpha channel",
        "folder": "path of its folder, one of 34",
        "split": "'train', 'val' or 'test'",
    },
    read=read,
    citation="Open Clip Art Library, release 0.18",
)
