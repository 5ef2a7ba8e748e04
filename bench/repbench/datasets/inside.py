"""Paths that come out of other people's lists: they lead to files of the dataset's own folder and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from repbench.errors import DataError


def check_inside(paths: Iterable[Path], *folders: Path) -> None:
    """Raise DataError for the first path that leaves all the folders, by `..`, by being absolute, or as an address of the web.

    Paths are compared as they are written: a link that lies in a folder may lead elsewhere, as in the cache of the hub.
    """
    roots = tuple(os.path.join(os.path.abspath(folder), "") for folder in folders)
    for path in paths:
        if not os.path.abspath(path).startswith(roots):
            raise DataError(f"{path}: lies outside {folders[0]}. A dataset may name only files of its own folder.")
