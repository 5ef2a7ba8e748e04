"""Packages by their ordinary clients: downloaded once, whole or not at all, and unpacked without root.

Nothing here runs unless `repbench data fetch` asks for it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from repbench.errors import DataError

Run = Callable[[Sequence[str], Path], None]  # a command and the folder that it runs in
DEBIAN, NPM = "Debian", "npm"
PROGRAMS = {DEBIAN: ("apt-get", "dpkg-deb"), NPM: ("npm",)}
HINTS = {  # what to try when a client fails
    "apt-get": "Package lists may be old: run `apt-get update` once.",
    "dpkg-deb": "Delete the archive, try again.",
    "npm": "Is there a way to its registry?",
}


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of a registry. `version` and `sha256` are pinned where one maintainer could change what a name means."""

    name: str
    registry: str
    megabytes: int  # to download, about
    version: str = ""
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """A package on disk: its files, and what it is called in a pack's provenance."""

    folder: Path
    title: str  # "tuxpaint-stamps-default 2022.06.04-1 (Debian)"
    sha256: str


def run_client(command: Sequence[str], folder: Path) -> None:
    """Run a package client in a folder. Raises FileNotFoundError if it is not on this machine, and DataError if it fails."""
    program = command[0]
    if shutil.which(program) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise DataError(f"`{' '.join(command)}` failed: {' '.join(said)} {HINTS.get(program, '')}".rstrip())


@contextmanager
def unpacked(package: Package, downloads: Path, run: Run) -> Iterator[Unpacked]:
    """The files of a package while the context lasts; the archive is downloaded if `downloads` does not hold it.

    Raises FileNotFoundError if a client is missing, and DataError if it fails or the archive is not the pinned one.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    archive = _archive(package, downloads) or _download(package, downloads, run)
    digest = file_sha256(archive)
    if package.sha256 and digest != package.sha256:
        raise DataError(f"{archive}: not the archive that the pack is made from (its SHA-256 differs). Delete it, try again.")
    with tempfile.TemporaryDirectory(dir=downloads, prefix=".unpacked-") as temporary:
        folder = Path(temporary)
        _unpack(package, archive, folder, run)
        version = package.version or unquote(archive.name.split("_")[1])
        yield Unpacked(folder=folder, title=f"{package.name} {version} ({package.registry})", sha256=digest)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _archive(package: Package, folder: Path) -> Path | None:
    """The newest archive of the package by name, if the folder holds one."""
    pattern = f"{package.name}_*.deb" if package.registry == DEBIAN else f"{package.name}-{package.version}.tgz"
    return max(folder.glob(pattern), default=None)


def _download(package: Package, downloads: Path, run: Run) -> Path:
    """Download beside, then rename: an archive in `downloads` is whole."""
    command = ["apt-get", "download", package.name]
    if package.registry == NPM:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    with tempfile.TemporaryDirectory(dir=downloads, prefix=".download-") as temporary:
        run(command, Path(temporary))
        found = _archive(package, Path(temporary))
        if found is None:
            raise DataError(f"`{' '.join(command)}` brought no archive of {package.name}.")
        os.replace(found, downloads / found.name)
    return downloads / found.name


def _unpack(package: Package, archive: Path, folder: Path, run: Run) -> None:
    if package.registry == DEBIAN:
        run(["dpkg-deb", "-x", str(archive.resolve()), str(folder.resolve())], folder)
        return
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataError(f"{archive}: it cannot be unpacked ({reason}). Delete it, try again.") from error
