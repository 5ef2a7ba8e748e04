"""Results and stores on another file system (s3://, gs://, whatever fsspec knows): a working copy here, equal file by file.

Embeddings are read as memory maps and records are looked at often, so both need a disk. A chunk or record is sent whole as
soon as it is finished; a run that begins, on this machine or another, first fetches what others have sent. Locks hold on one
machine alone: two that work on one address at once may compute the same chunk, to the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repbench.digests import digest_text
from repbench.errors import RepbenchError, StoreError, UsageError
from repbench.results.secrets import without_secrets

MARK = ".remote"  # the file in a working copy that holds its address
SEEN = ".seen"  # the folder in it that holds of each file what both sides looked like when they were equal
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "az")  # an object appears there whole or not at all
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_IDENTITY = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")


def is_address(place: str) -> bool:
    """Whether a text names a place on another file system, and no folder: s3://bucket/results."""
    return _ADDRESS.match(place) is not None


def here(place: str | Path, *, fetch: bool = True) -> Path:
    """The folder that a text names; of an address its working copy, into which everything is fetched unless told otherwise.

    Raises UsageError for an address that cannot be used or read.
    """
    if not is_address(str(place)):
        return Path(place)
    folder = working_copy(str(place))
    if fetch:
        try:
            synchronise(folder)
        except StoreError as error:  # nothing has begun
            raise UsageError(str(error)) from error
    return folder


def working_copy(address: str) -> Path:
    """The folder of an address's working copy in the user's cache, made if it is not there. Raises UsageError."""
    address = address.rstrip("/")
    _file_system(address)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = re.sub(r"[^A-Za-z0-9]+", "-", without_secrets(address)).strip("-")[-40:]
    folder = cache / "repbench" / "remote" / f"{name}-{digest_text(address)[:12]}"
    if address_of(folder) is None:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / MARK, address)
    return folder


def address_of(folder: Path) -> str | None:
    """The address whose working copy a folder is; None for every other folder."""
    try:
        return (folder / MARK).read_text()
    except OSError:
        return None


def synchronise(folder: Path, below: str = "") -> None:
    """Fetch from the other side what is new there and send what is new here; of files changed on both sides theirs counts.

    Nothing where `folder` is no working copy. Raises StoreError.
    """
    if (address := address_of(folder)) is None:
        return
    with _in_words(address):
        files, base = _file_system(address)
        there = _there(files, base, below)
        for name in sorted({*there, *_here(folder, below)}, key=lambda name: (name.endswith(".json"), name)):
            _settle(folder, name, there.get(name), files, base)


def send(folder: Path, path: Path) -> None:
    """Send one finished file of a working copy. Nothing where `folder` is none. Raises StoreError."""
    if (address := address_of(folder)) is not None:
        with _in_words(address):
            files, base = _file_system(address)
            _send(folder, path.relative_to(folder).as_posix(), files, base)


def drop(folder: Path, path: Path) -> None:
    """Remove a file from a folder, and where that is a working copy from the other side too. Raises OSError, StoreError."""
    existed = path.exists()
    path.unlink(missing_ok=True)
    if existed and (address := address_of(folder)) is not None:
        with _in_words(address):
            files, base = _file_system(address)
            name = path.relative_to(folder).as_posix()
            with contextlib.suppress(FileNotFoundError):
                files.rm_file(f"{base}/{name}")
            (folder / SEEN / name).unlink(missing_ok=True)


def _settle(folder: Path, name: str, there: str | None, files: Any, base: str) -> None:
    """Make one file equal on both sides."""
    seen_there, _, seen_here = _read(folder / SEEN / name).partition("\n")
    now_here = _stamp(folder / name)
    if there is not None and (there != seen_there or not now_here):
        _fetch(folder, name, there, files, base)
    elif there is None and seen_there and now_here == seen_here:  # somebody removed it
        (folder / name).unlink(missing_ok=True)
        (folder / SEEN / name).unlink(missing_ok=True)
    elif there is None or now_here != seen_here:
        _send(folder, name, files, base)


def _fetch(folder: Path, name: str, there: str, files: Any, base: str) -> None:
    path = folder / name
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.get_file(f"{base}/{name}", str(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _write(folder / SEEN / name, f"{there}\n{_stamp(path)}")


def _send(folder: Path, name: str, files: Any, base: str) -> None:
    """Whole or not at all: what stores objects does so by itself, elsewhere the file is renamed into place."""
    path, target = folder / name, f"{base}/{name}"
    protocols = (files.protocol,) if isinstance(files.protocol, str) else files.protocol
    if set(protocols) & set(WHOLE):
        files.put_file(str(path), target)
    else:
        parent, _, last = target.rpartition("/")
        files.makedirs(parent, exist_ok=True)
        files.put_file(str(path), f"{parent}/.{last}.{os.getpid()}.tmp")
        files.mv(f"{parent}/.{last}.{os.getpid()}.tmp", target)
    files.invalidate_cache()
    _write(folder / SEEN / name, f"{_identity(files.info(target))}\n{_stamp(path)}")


def _there(files: Any, base: str, below: str) -> dict[str, str]:
    """Name -> identity of the files on the other side. Raises StoreError for a name that leads out of the folder."""
    files.invalidate_cache()
    found = {}
    for path, info in files.find(f"{base}/{below}".rstrip("/"), detail=True).items():
        name = str(path).removeprefix(base).lstrip("/")
        if {"..", "."} & set(name.split("/")) or "\\" in name:
            raise StoreError(f"{path}: a name that leads elsewhere; it is not fetched.")
        if _travels(name):
            found[name] = _identity(info)
    return found


def _here(folder: Path, below: str) -> Iterator[str]:
    for path in (folder / below).rglob("*"):
        name = path.relative_to(folder).as_posix()
        if _travels(name) and path.is_file():
            yield name


def _travels(name: str) -> bool:
    """Whether a file is one of results or of a store, and no lock, nothing half-written or set aside."""
    *folders, last = name.split("/")
    return not last.startswith(".") and not last.endswith(".damaged") and SEEN not in folders[:1]


def _identity(info: Mapping[str, Any]) -> str:
    """What changes when a file on the other side does."""
    known = next((str(info[name]) for name in _IDENTITY if info.get(name)), "")
    return f"{info.get('size')} {known}"


def _stamp(path: Path) -> str:
    """What changes when a file here does; "" for none."""
    try:
        told = os.stat(path)
    except FileNotFoundError:
        return ""
    return f"{told.st_size} {told.st_mtime_ns}"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.chmod(0o600)  # an address may hold a password
    os.replace(temporary, path)


def _file_system(address: str) -> tuple[Any, str]:
    """The file system of an address and the path on it. Raises UsageError for one that is unknown or needs a package."""
    from fsspec.core import url_to_fs

    protocol = address.partition("://")[0]
    try:
        files, base = url_to_fs(address)
    except ImportError as error:
        package = PACKAGES.get(protocol, "")
        extra = {"s3fs": "'repbench[s3]'", "gcsfs": "'repbench[gs]'"}.get(package, "the package that it names")
        raise UsageError(f"{without_secrets(address)}: {error}. pip install {extra}.") from error
    except ValueError as error:
        raise UsageError(f"{without_secrets(address)}: no such file system ({error}); s3://, gs:// or a folder.") from error
    return files, str(base).rstrip("/")


@contextlib.contextmanager
def _in_words(address: str) -> Iterator[None]:
    """Whatever a file system raises, with the address before it."""
    try:
        yield
    except RepbenchError:
        raise
    except Exception as error:
        words = without_secrets(f"{address}: {type(error).__name__}: {error}")
        raise StoreError(f"{words.rstrip('. ')}. What is done here is kept; give the same command again.") from error
