"""PUG: Animals (Bordes et al. 2023): `labels_pug_animal.csv` and `CHARACTER/FILENAME`: an animal in a world, crossed.

Columns filename, character_name, world_name, character_scale, camera_yaw, character_texture, as public loaders read them.
The camera's yaw is 0, 45, 225 or 315 degrees (config_animal.json of the authors' renderer). There is one model of each animal:
an instance here is a scene, one animal of one size and texture in one world, and it is seen from four sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repbench.datasets.factored.drawing import SEED
from repbench.datasets.layouts.listing import Listing, csv_rows, listed
from repbench.errors import DataError

FILE = "labels_pug_animal.csv"
COLUMNS = {  # ours -> theirs
    "background": "world_name",
    "size": "character_scale",
    "texture": "character_texture",
    "camera_yaw": "camera_yaw",
}
SCENE = ("background", "size", "texture")
VIEWS = 4


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """All views of the drawn scenes of each split, as many of each animal. Raises DataError where there are too few."""
    path = folder / FILE
    rows = csv_rows(path, "filename", "character_name", *COLUMNS.values())
    scenes: dict[str, dict[str, list[dict[str, str]]]] = {}
    for row in rows:
        scene = ", ".join((row["character_name"], *(row[COLUMNS[name]] for name in SCENE)))
        scenes.setdefault(row["character_name"], {}).setdefault(scene, []).append(row)
    wanted = {split: size // (VIEWS * len(scenes)) for split, size in sizes.items()}
    found: dict[str, list[tuple[str, dict[str, str]]]] = {split: [] for split in sizes}
    rng = np.random.Generator(np.random.PCG64(SEED))
    for animal in sorted(scenes):
        own = [sorted(scenes[animal])[place] for place in rng.permutation(len(scenes[animal]))]
        if len(own) < sum(wanted.values()):
            raise DataError(f"{path}: {animal} is in {len(own)} scenes; the splits take {sum(wanted.values())} of them.")
        for split, count in wanted.items():
            drawn, own = sorted(own[:count]), own[count:]
            found[split] += [(scene, row) for scene in drawn for row in scenes[animal][scene]]
    return {split: _listing(folder, own) for split, own in found.items()}


def class_names(folder: Path) -> tuple[str, ...]:
    """The animals, sorted by name."""
    return tuple(sorted({row["character_name"] for row in csv_rows(folder / FILE, "character_name")}))


def _listing(folder: Path, rows: list[tuple[str, dict[str, str]]]) -> Listing:
    names = [f"{row['character_name']}/{row['filename']}" for _, row in rows]
    columns = {name: [row[theirs] for _, row in rows] for name, theirs in COLUMNS.items()}
    label = np.array([row["character_name"] for _, row in rows])
    return listed(folder, names, label, instance=[scene for scene, _ in rows], **columns)
