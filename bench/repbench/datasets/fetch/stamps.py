"""The pack `stamps`: Tux Paint's rubber stamps, cut-out photographs and drawings with English captions."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from repbench.datasets.fetch.download import DEBIAN, Package
from repbench.datasets.fetch.pack import Columns, FetchedPack, split_of

INNER = Path("usr/share/tuxpaint/stamps")
LEAST = 12  # stamps in a folder that serves as a class


def read(folder: Path) -> Columns:
    """One row a stamp that has a PNG and a caption, in order of its path."""
    root = folder / INNER
    columns: dict[str, list[str | bytes]] = {name: [] for name in PACK.columns}
    files = sorted(path for path in root.rglob("*.txt") if path.with_suffix(".png").is_file())
    sizes = Counter(_top(path, root) for path in files)
    first: dict[bytes, str] = {}  # equal pictures stay in one split
    for path in files:
        identifier, top = path.relative_to(root).with_suffix("").as_posix(), _top(path, root)
        image = path.with_suffix(".png").read_bytes()
        key = first.setdefault(hashlib.sha256(image).digest(), identifier)
        columns["id"].append(identifier)
        columns["image"].append(image)
        columns["caption"].append(path.read_text(encoding="utf-8").split("\n", 1)[0].strip())
        columns["folder"].append(top)
        columns["folder_task"].append(top if sizes[top] >= LEAST else "")
        columns["split"].append(split_of(key))
    return columns


def _top(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0]


PACK = FetchedPack(
    name="stamps",
    title="Stamps of Tux Paint: cut-outs with English captions",
    packages=(Package(name="tuxpaint-stamps-default", registry=DEBIAN, megabytes=161),),
    rows=785,
    licence="GPL-2.0",
    authors="Bill Kendrick and the contributors of Tux Paint",
    derivation=(
        "Every stamp that has both a PNG and a text file, in order of its path; stamps that are SVG only, and mirrored"
        " variants, which have no text, are left out. The PNG files are unchanged. The split is the SHA-256 of '0:' + id "
        "against the shares 0.60, 0.15, 0.25 (train, val, test); a picture that occurs twice takes the split of the first."
    ),
    columns={
        "id": "path of the stamp below the folder of stamps, without ending",
        "image": "PNG as in the package; most have an alpha channel, which cuts the object out",
        "caption": "English caption, the first line of the text file",
        "folder": "top folder, one of 16",
        "folder_task": f"the same where the folder has at least {LEAST} stamps (12 folders), else empty",
        "split": "'train', 'val' or 'test'",
    },
    read=read,
    citation="Tux Paint Stamps, 2022",
)
