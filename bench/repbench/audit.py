"""The audit of an encoder: does the way in which a run embeds give what the plain network gives, item by item in float32?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from repbench.datasets.dataset import Dataset
from repbench.datasets.items import Items
from repbench.embeddings.extract import Extractor, Work
from repbench.embeddings.fidelity import Fidelity, fidelity, spread
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import UsageError

LEAST = {"fp32": 0.999999, "bf16": 0.999, "fp16": 0.9999}  # cosine that every item must reach
WITHIN, OUTSIDE = 0, 1  # exit status


def audit_encoder(
    spec: str, dataset: Dataset, sample: int, options: ExtractOptions, load: LoadOptions, echo: Callable[[str], None]
) -> int:
    """Compare, for each tower that fits the dataset, a sample of items, and print what was found. Returns the exit status.

    Raises UsageError when no tower fits, and DataError or EmbeddingError when an item cannot be embedded.
    """
    encoder = load_encoder(spec, load)
    status, fits = WITHIN, False
    for modality, tower in encoder.towers.items():
        places, label = _sample(dataset, modality, sample)
        if not places:
            continue
        fits = True
        found, notes = _compare(tower, places, label, options)
        good = found.least_cosine >= LEAST[options.precision]  # NaN is not good
        status = status if good else OUTSIDE
        for line in _lines(encoder.name, modality, dataset.name, found, options, notes, good):
            echo(line)
    if not fits:
        raise UsageError(
            f"{encoder.name} has towers for {', '.join(encoder.towers)}; {dataset.name} holds nothing of that kind."
        )
    return status


def plain_rows(tower: Tower, places: list[tuple[Items, int]]) -> np.ndarray:
    """The embeddings float32 (n, dim) of items one by one, by the network as it was loaded, on the CPU."""
    with torch.inference_mode():
        rows = [tower.module(tower.prepare(items.load(place))[None])[0].float().numpy() for items, place in places]
    return np.stack(rows)


def _sample(dataset: Dataset, modality: str, most: int) -> tuple[dict[str, tuple[Items, int]], np.ndarray]:
    """Key -> place of at most so many distinct items, spread over all splits, and a number for each of their labels."""
    found: dict[str, tuple[Items, int]] = {}
    labels: dict[str, str] = {}
    for split in dataset:
        for items in split.media.values():
            if items.modality == modality:
                for place, key in enumerate(items.keys):
                    found.setdefault(key, (items, place))
                    labels.setdefault(key, str(split.label[place].tolist()))
    keys = list(found)
    chosen = [keys[place] for place in spread(len(keys), most)]
    return {key: found[key] for key in chosen}, np.unique([labels[key] for key in chosen], return_inverse=True)[1]


def _compare(
    tower: Tower, places: dict[str, tuple[Items, int]], label: np.ndarray, options: ExtractOptions
) -> tuple[Fidelity, dict[str, str]]:
    address = Address(tower=tower.fingerprint, view="plain", precision=options.precision)
    work = Work(address=address, view="plain", keys=tuple(places), places=tuple(places.values()))
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), address)
        extractor = Extractor([work], [tower], {address: shelf}, options)
        extractor.fill(work)
        rows = shelf.rows(work.keys)[:, 0]
    return fidelity(plain_rows(tower, list(places.values())), rows, label), extractor.notes(tower)


def _lines(
    name: str, modality: str, dataset: str, found: Fidelity, options: ExtractOptions, notes: dict[str, str], good: bool
) -> list[str]:
    verdict = "within" if good else "OUTSIDE"
    return [
        f"{name}, {modality}: {found.items} items of {dataset}, {options.precision} on {options.device} in batches of"
        f" {options.batch_size} against the plain network one by one",
        f"  largest absolute difference {found.largest_difference:.3g}",
        f"  cosine at least {found.least_cosine:.9f}, mean {found.mean_cosine:.9f}; centred, mean {found.centred_cosine:.9f}",
        f"  nearest neighbours of another class than before: {found.flips} of {found.items}",
        *(f"  {about}: {note}" for about, note in notes.items()),
        f"  {verdict} tolerance: every cosine at least {LEAST[options.precision]}",
    ]
