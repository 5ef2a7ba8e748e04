"""One view of each picture of a dataset under augmentations whose parameters are written down: what do spaces keep of them?

`furniture-views` is such a set, declared in reference/tasks. Its views are those that `style-retaining` is trained with.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from repbench.datasets.open import open_dataset
from repbench.results.files import write_atomically
from repbench.tasks import load_catalogue
from repbench.trainers.factors import FACTORS, apply, draw
from repbench.trainers.seeds import seed_of

TASKS = Path(__file__).parent / "tasks"
SIDE = 32  # pixels of a view
SPLITS = ("train", "val", "test")
NUMBERS = {  # the numbers in [0, 1) that decide each augmentation
    "crop": ("area", "across", "down"),
    "colour": ("light", "contrast", "saturation", "hue"),
    "turn": ("turn",),
}
VIEWS = "furniture-views"


def write_views(folder: Path, data: Path | None = None, name: str = VIEWS, source: str = "furniture") -> Path:
    """Write FOLDER/name, pictures and views.csv, unless it is there; the same bytes each time. `data` is not needed."""
    table = folder / name / "views.csv"
    if table.exists():
        return folder
    dataset = open_dataset(load_catalogue().dataset(source))
    cluster = dataset.declaration.cluster
    assert cluster is not None
    rows = []
    for split in SPLITS:
        found = dataset.splits[split]
        (folder / name / split).mkdir(parents=True, exist_ok=True)
        for place in range(len(found)):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of(0, "views", split, place))
                drawn = {factor: draw(factor) for factor in FACTORS}
            file = f"{split}/{place:05d}.png"
            apply(found.media["image"].load(place), drawn, SIDE).save(folder / name / file)
            told = {one: float(x) for factor in FACTORS for one, x in zip(NUMBERS[factor], drawn[factor], strict=True)}
            shown = found.class_names[int(found.label[place])]
            whole = found.columns[cluster][place]
            rows.append({"split": split, "file": file, "class": shown, "of": found.ids[place], cluster: whole, **told})
    write_atomically(table, pd.DataFrame(rows).to_csv(index=False))
    return folder
