"""CIFAR-10 and CIFAR-100: pickled batches of 32 x 32 pixels, channel after channel.

They are pickles, which could hold any code: only the few names that numpy arrays are made of are let through.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.items import PixelItems
from repbench.datasets.layouts.listing import Listing
from repbench.errors import DataError

BATCHES = {
    "cifar-10-batches-py": {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]},
    "cifar-100-python": {"train": ["train"], "test": ["test"]},
}
META = {"cifar-10-batches-py": ("batches.meta", "label_names"), "cifar-100-python": ("meta", "fine_label_names")}
ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


def read(folder: Path, split: str, options: Any) -> Listing:
    """The batches of a split, in order; ids are the split and the place."""
    batches = [_unpickle(folder / name) for name in BATCHES[folder.name][split]]
    pixels = np.concatenate([np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, 32, 32) for batch in batches])
    label = np.concatenate([batch["fine_labels" if "fine_labels" in batch else "labels"] for batch in batches])
    ids = [f"{split}/{place}" for place in range(len(label))]
    return Listing(ids=np.array(ids), label=label, items=PixelItems(ids, pixels.transpose(0, 2, 3, 1)))


def class_names(folder: Path) -> tuple[str, ...]:
    """Names in label order, from the file of them."""
    name, key = META[folder.name]
    return tuple(_unpickle(folder / name)[key])


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch of CIFAR does")
        return super().find_class(module, name)


def _unpickle(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            return _Arrays(stream, encoding="latin1").load()
    except (OSError, pickle.UnpicklingError, EOFError, ValueError, AttributeError, ImportError) as error:
        raise DataError(f"{path}: cannot be read as a batch of CIFAR ({error}).") from error
