"""Files whose names say that they are one of so many, `train-00003-of-00014.parquet`: is the row complete?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_NUMBER = re.compile(r"-(\d+)-of-(\d+)(?=\.|-|$)")


def missing_shard(paths: Iterable[Path]) -> Path | None:
    """The first file that such names promise and that is not among `paths`; None where none is missing."""
    rows: dict[tuple[Path, str, str], dict[int, str]] = {}
    for path in paths:
        if (found := _NUMBER.search(path.name)) is not None:
            start = path.name[: found.start()]
            rows.setdefault((path.parent, start, found[2]), {})[int(found[1])] = path.name[found.end() :]
    for (folder, start, count), endings in rows.items():
        for number in range(int(count)):
            if number not in endings:
                ending = next(iter(endings.values()))
                return folder / f"{start}-{number:0{len(count)}d}-of-{count}{ending}"
    return None
