"""GeoDE (Ramaswamy et al. 2023): `index.csv` and `images/FILE_PATH`: forty things photographed in six regions of the world.

Columns file_path, object, region and ip_country, as public loaders read them. The authors publish no split.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repbench.datasets.factored.drawing import drawn
from repbench.datasets.layouts.listing import Listing, csv_rows, listed

FILE = "index.csv"


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The drawn rows of each split."""
    path = folder / FILE
    rows = csv_rows(path, "file_path", "object", "region", "ip_country")
    found = {}
    for split, places in drawn(len(rows), sizes, path).items():
        own = [rows[place] for place in places]
        columns = {"region": [row["region"] for row in own], "country": [row["ip_country"] for row in own]}
        label = np.array([row["object"] for row in own])
        found[split] = listed(folder / "images", [row["file_path"] for row in own], label, **columns)
    return found


def class_names(folder: Path) -> tuple[str, ...]:
    """The things, sorted by name."""
    return tuple(sorted({row["object"] for row in csv_rows(folder / FILE, "object")}))
