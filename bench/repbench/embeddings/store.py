"""The store of embeddings: content-addressed, checksummed, shared by processes.

One shelf (a folder) for each tower fingerprint x view x precision. On it lie chunks: one safetensors file each, with the
content keys of its items and their embeddings. A chunk appears whole or not at all (it is renamed into place), and carries a
digest of what it holds; one that does not verify is set aside and made again. Files are read as memory maps.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from repbench.digests import digest_iterable, digest_text
from repbench.embeddings.assembled import new_table
from repbench.errors import StoreError
from repbench.remote import send, synchronise

KEY_BYTES = 16
AT_ONCE = 512  # rows that are copied out of a chunk at once


class TakenError(StoreError):
    """Another process is computing this chunk."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """What the embeddings of a shelf have in common."""

    tower: str  # fingerprint
    view: str  # see views.view_address
    precision: str

    @property
    def folder(self) -> str:
        """The shelf's folder: a digest, with the precision and view in clear for people who look."""
        return f"{digest_text(self.tower, self.view, self.precision)[:20]}-{self.view}-{self.precision}"


class Shelf:
    """The chunks of one address. Rows are float32 (views, dim), one for each distinct item."""

    def __init__(self, root: Path, address: Address) -> None:
        self._root, self.folder = root, root / address.folder
        self._places: dict[str, tuple[Path, int]] = {}
        self._read: set[Path] = set()
        self.refresh()

    def refresh(self) -> None:
        """Take up the chunks that this or another process has added, or another machine to the place of a working copy."""
        synchronise(self._root, self.folder.name)
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in self._read:
                self._take_up(path)

    def missing(self, keys: Sequence[str]) -> list[str]:
        """The keys that are not on the shelf, in order."""
        return [key for key in keys if key not in self._places]

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """The embeddings of `keys`, float32 (n, views, dim), in order; a map of a file where they are large (assembled.py).

        Raises StoreError if one is not there.
        """
        out: np.ndarray | None = None
        for places, rows in self._parts(keys):
            if out is None:
                out = new_table((len(keys), *rows.shape[1:]), self._root)
            out[places] = rows
        return out if out is not None else np.empty((0, 1, 0), dtype=np.float32)

    def frames(self, keys: Sequence[str], frame: np.ndarray, count: int) -> np.ndarray:
        """Of the `count` vectors that lie side by side in the row of each key, that of number `frame`, int (n,).

        Float32 (n, dim / count), in order; a key may occur often. Raises StoreError if one is not there.
        """
        out: np.ndarray | None = None
        for places, rows in self._parts(keys):
            chosen = rows[:, 0].reshape(len(places), count, -1)[np.arange(len(places)), frame[places]]
            if out is None:
                out = new_table((len(keys), chosen.shape[1]), self._root)
            out[places] = chosen
        return out if out is not None else np.empty((0, 0), dtype=np.float32)

    def _parts(self, keys: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Chunk by chunk the places of its keys, int (m,), and their rows (m, views, dim), some hundreds at once."""
        if absent := self.missing(keys):
            raise StoreError(f"{self.folder}: {len(absent)} of {len(keys)} embeddings are not in the store.")
        by_chunk: dict[Path, list[int]] = {}
        for place, key in enumerate(keys):
            by_chunk.setdefault(self._places[key][0], []).append(place)
        for path, places in by_chunk.items():
            _, rows = _read_chunk(path)
            for start in range(0, len(places), AT_ONCE):
                some = np.array(places[start : start + AT_ONCE])
                yield some, rows[[self._places[keys[place]][1] for place in some]]

    def add(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Write one chunk: n keys and float32 (n, views, dim). Raises StoreError when the disk is full or read-only."""
        from safetensors.numpy import save_file

        raw = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
        path = self.folder / f"{digest_text(*keys)}.safetensors"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({"keys": raw.copy(), "rows": rows}, str(temporary), metadata={"digest": _digest(raw, rows)})
            with open(temporary, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except Exception as error:  # safetensors wraps the errors of the system in its own
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StoreError(f"{path}: the embeddings cannot be stored ({error}).") from error
        send(self._root, path)
        self._take_up(path)

    @contextlib.contextmanager
    def claim(self, keys: Sequence[str], *, wait: bool = True) -> Iterator[None]:
        """Hold the right to compute this chunk; another process that wants it waits here and then finds it stored.

        The lock is the kernel's: it ends with the process that holds it, and the file that is left says nothing. Raises
        TakenError where another process holds it and nobody is to `wait`, and StoreError for a folder that cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f".{digest_text(*keys)}.lock")
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise TakenError(f"{self.folder}: another process is computing this chunk.") from error
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be written ({error.strerror}).") from error
        try:
            self.refresh()
            yield
        finally:
            lock.release()

    def _take_up(self, path: Path) -> None:
        try:
            keys, _ = _read_chunk(path)
        except StoreError:  # damaged: set aside, so that it is made again and can still be looked at
            with contextlib.suppress(OSError):
                os.replace(path, path.with_suffix(".damaged"))
            return
        self._read.add(path)
        for place, key in enumerate(keys):
            self._places.setdefault(key, (path, place))


def _read_chunk(path: Path) -> tuple[list[str], np.ndarray]:
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="np") as chunk:
            raw, rows = chunk.get_tensor("keys"), chunk.get_tensor("rows")
            expected = (chunk.metadata() or {}).get("digest")
    except Exception as error:
        raise StoreError(f"{path}: this chunk cannot be read ({error}).") from error
    if expected != _digest(raw, rows):
        raise StoreError(f"{path}: this chunk is damaged: its checksum does not match.")
    text = raw.tobytes().hex()
    width = 2 * KEY_BYTES
    return [text[start : start + width] for start in range(0, len(text), width)], rows


def _digest(raw: np.ndarray, rows: np.ndarray) -> str:
    shapes = f"{raw.shape}{raw.dtype}{rows.shape}{rows.dtype}".encode()
    return digest_iterable([shapes, raw.tobytes(), rows.tobytes()])
