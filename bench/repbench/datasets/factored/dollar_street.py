"""Dollar Street (Gaviria Rojas et al. 2022), as MLCommons publishes it: things in homes of the world, and their income.

`images_v2_imagenet_train.csv` and `images_v2_imagenet_test.csv` list `imageRelPath`, `income` (dollars a month), `region.id`
and `imagenet_synonyms`, a list of ImageNet's names of what is shown. The first of them is the class, as the authors' and other
loaders take it; the commonest fifty of train are kept, for the rarest have a handful of pictures.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from repbench.datasets.layouts.listing import Listing, csv_rows, listed
from repbench.errors import DataError

FILE = "images_v2_imagenet_{}.csv"
KEPT = 50
POOREST = (200.0, 684.0, 1997.0)  # upper ends of the authors' first three quarters of income, dollars a month
QUARTERS = ("poorest quarter", "second quarter", "third quarter", "richest quarter")
REGIONS = {"af": "Africa", "am": "Americas", "as": "Asia", "eu": "Europe"}


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """The official splits, in the order of their files, without the classes that are not kept."""
    names = set(class_names(folder))
    return {split: _split(folder, split, names) for split in sizes}


def class_names(folder: Path) -> tuple[str, ...]:
    """The kept classes, sorted by name."""
    counted = Counter(name for _, name in _rows(folder / FILE.format("train")))
    commonest = sorted(counted, key=lambda name: (-counted[name], name))[:KEPT]
    return tuple(sorted(commonest))


def _split(folder: Path, split: str, names: set[str]) -> Listing:
    path = folder / FILE.format(split)
    kept = [(row, name) for row, name in _rows(path) if name in names]
    quarters = [_quarter(row["income"], path) for row, _ in kept]
    regions = [REGIONS.get(row["region.id"], row["region.id"]) for row, _ in kept]
    files = [row["imageRelPath"] for row, _ in kept]
    return listed(folder, files, [name for _, name in kept], income=quarters, region=regions)


def _rows(path: Path) -> list[tuple[dict[str, str], str]]:
    """Every row with its class. Raises DataError for a list that cannot be read."""
    rows = csv_rows(path, "imageRelPath", "income", "region.id", "imagenet_synonyms")
    return [(row, str(_list(row["imagenet_synonyms"], path)[0])) for row in rows]


def _list(text: str, path: Path) -> Sequence[object]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(f"{path}: imagenet_synonyms says {text[:60]!r}; expected a list such as ['stove'].") from error
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: imagenet_synonyms says {text[:60]!r}; expected a list such as ['stove'].")
    return found


def _quarter(text: str, path: Path) -> str:
    try:
        income = float(text)
    except ValueError as error:
        raise DataError(f"{path}: income is {text!r}; expected dollars a month.") from error
    return QUARTERS[sum(income > end for end in POOREST)]
