"""Two encoders on the items of one dataset: how alike they see them. Embeddings come from the store and go there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from repbench.datasets.dataset import Dataset
from repbench.embeddings.extract import Extractor, Work, distinct
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, check_encoder, load_encoder
from repbench.errors import UsageError
from repbench.measure import similarity
from repbench.protocol import Estimate

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "cka": similarity.cka,
    "rsa": similarity.rsa,
    "mutual-neighbours": similarity.mutual_neighbours,
}


def compare_encoders(
    specs: tuple[str, str],
    dataset: Dataset,
    split: str,
    most: int,
    options: ExtractOptions,
    load: LoadOptions,
    store: Path,
) -> dict[str, Estimate]:
    """CKA, RSA and mutual neighbours of two encoders on at most `most` items of a split, with jackknife intervals.

    Raises UsageError for a split that is not there and where one of the encoders has no tower for the dataset.
    """
    for spec in specs:
        check_encoder(spec, load)
    if split not in dataset.splits:
        raise UsageError(f"{dataset.name} has no split {split!r}; it has {', '.join(dataset.splits)}.")
    a, b = (_rows(load_encoder(spec, load), dataset, split, most, options, store) for spec in specs)
    found = {}
    for name, metric in METRICS.items():
        value, low, high = similarity.jackknife(a, b, metric)
        found[name] = Estimate(value=value, low=low, high=high)
    return found


def _rows(encoder: Encoder, dataset: Dataset, split: str, most: int, options: ExtractOptions, store: Path) -> np.ndarray:
    """Embeddings (n, dim) of items spread over the split, the same for every encoder."""
    items = dataset.splits[split].media[dataset.declaration.medium]
    if items.modality not in encoder.towers:
        raise UsageError(
            f"{encoder.name} has towers for {', '.join(encoder.towers)}; the items of {dataset.name} are {items.modality}."
        )
    tower = encoder.towers[items.modality]
    places = np.unique(np.linspace(0, len(items.keys) - 1, min(most, len(items.keys))).round().astype(int)).tolist()
    found = distinct([(items, places)])
    address = Address(tower=tower.fingerprint, view="plain", precision=options.precision)
    work = Work(address=address, view="plain", keys=tuple(found), places=tuple(found.values()))
    shelf = Shelf(store, address)
    Extractor([work], [tower], {address: shelf}, options).fill(work)
    rows: np.ndarray = shelf.rows([items.keys[place] for place in places])[:, 0]
    return rows
