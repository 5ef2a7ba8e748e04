"""A download under way: each of its steps in a folder of its own, moved to its place when all are done.

So what lies in its place is whole, and an interrupted download goes on: steps that are done are kept, and of the others their
archives. torchvision's classes take a folder that is there for a whole one, so each is shown one that holds archives at most.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

ARCHIVES = (".tar", ".tgz", ".tar.gz", ".zip")
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError)  # what an archive that was cut short raises
UNCHECKED = ("fgvc-aircraft-2013b.tar.gz", "Partitions.zip")  # archives of which torchvision knows no checksum


def staged(begun: Path, folder: Path, steps: Mapping[str, Callable[[Path], None]], home: str) -> None:
    """Take each step, told the folder below `begun` that it fills, then move all that came into `folder`, that of datasets.

    Archives that lie in `folder`, or in `home` below it, need not come again. Raises whatever a step raises; the same call
    then goes on.
    """
    for step, take in steps.items():
        done, place = begun / f"{step}.done", begun / step
        if done.exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        _share_archives(folder, place, home)
        _only_archives(place)
        take(place)
        done.touch()
    for step in steps:
        _move(begun / step, folder)
    shutil.rmtree(begun)
    if not any(begun.parent.iterdir()):
        begun.parent.rmdir()


def _share_archives(folder: Path, place: Path, home: str) -> None:
    """Give archives that a user or another program left in the folder of datasets a second name in `place`."""
    for path in (path for near in (folder, folder / home) if near.is_dir() for path in near.iterdir()):
        other = place / path.relative_to(folder)
        if path.name.endswith(ARCHIVES) and path.is_file() and not other.exists():
            other.parent.mkdir(exist_ok=True)
            try:
                os.link(path, other)
            except OSError:  # a file system without second names
                return


def _only_archives(place: Path) -> None:
    """Clear a folder that was left half filled, but for its archives: what they hold is unpacked anew."""
    for path in sorted(place.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif not path.name.endswith(ARCHIVES) or (path.name in UNCHECKED and not _is_whole(path)):
            path.unlink()


def _is_whole(archive: Path) -> bool:
    """Whether an archive can be read to its end."""
    try:
        if archive.suffix == ".zip":
            return zipfile.is_zipfile(archive)  # its list of contents comes last
        with tarfile.open(archive) as tar:
            return all(True for _ in tar)
    except (*DAMAGED, OSError):
        return False


def _move(source: Path, target: Path) -> None:
    """Move what is in a folder into another; folders that are in both become one, a file in both is replaced."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_dir() and (target / path.name).is_dir():
            _move(path, target / path.name)
        else:
            os.replace(path, target / path.name)
