"""PUG: Animals (Bordes et al. 2023): `labels_pug_animal.csv` and `CHARACTER/FILENAME`: an animal in a world, crossed.

Columns filename, character_name, world_name, character_scale, camera_yaw, character_texture, as public loaders read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repbench.datasets.factored.drawing import drawn
from repbench.datasets.layouts.listing import Listing, csv_rows, listed

FILE = "labels_pug_animal.csv"
COLUMNS = {  # ours -> theirs
    "background": "world_name",
    "size": "character_scale",
    "texture": "character_texture",
    "camera_yaw": "camera_yaw",
}


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The drawn rows of each split."""
    path = folder / FILE
    rows = csv_rows(path, "filename", "character_name", *COLUMNS.values())
    found = {}
    for split, places in drawn(len(rows), sizes, path).items():
        own = [rows[place] for place in places]
        names = [f"{row['character_name']}/{row['filename']}" for row in own]
        columns = {name: [row[theirs] for row in own] for name, theirs in COLUMNS.items()}
        found[split] = listed(folder, names, np.array([row["character_name"] for row in own]), **columns)
    return found


def class_names(folder: Path) -> tuple[str, ...]:
    """The animals, sorted by name."""
    return tuple(sorted({row["character_name"] for row in csv_rows(folder / FILE, "character_name")}))
