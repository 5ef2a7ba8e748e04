"""Debian packages as sources of packs: download, unpack without root, and say what was used.

Needs the commands apt-get and dpkg-deb, and package lists that are up to date (`apt-get update`, once, by hand).
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import unquote

from packs.common import Source, sha256


def unpacked(package: str, downloads: Path) -> Path:
    """The folder that holds the package's files, fetched and unpacked into `downloads` if it is not there yet."""
    if not list(downloads.glob(f"{package}_*.deb")):
        downloads.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", package], cwd=downloads, check=True)
    folder = downloads / package
    if not folder.is_dir():
        subprocess.run(["dpkg-deb", "-x", str(_archive(package, downloads)), str(folder)], check=True)
    return folder


def source(package: str, downloads: Path, licence: str, authors: str) -> Source:
    """The provenance of a package that `unpacked` has fetched."""
    archive = _archive(package, downloads)
    version = unquote(archive.name.split("_")[1])
    return Source(package=f"{package} {version} (Debian)", sha256=sha256(archive), licence=licence, authors=authors)


def _archive(package: str, downloads: Path) -> Path:
    """The newest archive of the package by name."""
    return sorted(downloads.glob(f"{package}_*.deb"))[-1]
