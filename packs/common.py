"""What every pack builder shares: the file format of an embedded pack, written bit for bit.

A pack is one Parquet file: one row an example, the medium as encoded bytes (`image` or `audio`), everything else as plain
columns. What a reader must know beside the rows (title, licence, authors, sources, derivation, meaning of each column) travels
in the file's own metadata under the key `repbench`, so that a pack can never lose its licence.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from repbench.datasets.fetch.pack import png

__all__ = ["PACK_FOLDER", "About", "Source", "png", "sha256", "webp", "write_pack"]

PACK_FOLDER = Path(__file__).resolve().parent.parent / "bench" / "repbench" / "datasets" / "packs"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One upstream package that a pack was made from."""

    package: str  # for example "emoji-datasource-google 16.0.0 (npm)"
    sha256: str  # of the downloaded archive, or of the one file that was read
    licence: str  # an SPDX identifier
    authors: str


@dataclass(frozen=True, kw_only=True)
class About:
    """Provenance of a pack; it is stored in the Parquet metadata and printed by `repbench show`."""

    title: str
    sources: tuple[Source, ...]
    derivation: str  # what was done to the sources, in sentences
    columns: Mapping[str, str]  # column -> meaning, units, range
    citation: str = ""


def write_pack(name: str, columns: Mapping[str, Any], about: About, folder: Path = PACK_FOLDER) -> Path:
    """Write `name`.parquet with the given columns (each n values) and return its path.

    The bytes depend on nothing but the arguments and the version of pyarrow: no time stamp, one row group an 8 MiB page run.
    Raises ValueError if a column is undocumented, lengths differ, or ids repeat.
    """
    undocumented = set(columns) ^ set(about.columns)
    if undocumented:
        raise ValueError(f"pack {name!r}: columns and their meanings differ in {sorted(undocumented)}")
    if len(set(columns["id"])) != len(columns["id"]):
        raise ValueError(f"pack {name!r}: column 'id' repeats a value")
    table = pa.table(dict(columns))
    metadata = json.dumps(asdict(about), sort_keys=True, ensure_ascii=False)
    table = table.replace_schema_metadata({b"repbench": metadata.encode()})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=True, write_statistics=False)
    return path


def webp(picture: Image.Image) -> bytes:
    """Lossless WebP bytes of a picture (mode RGB or RGBA): about two thirds of the PNG."""
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", lossless=True, quality=100, method=6, exact=False)
    return stream.getvalue()


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
