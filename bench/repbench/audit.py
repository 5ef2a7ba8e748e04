"""The audit of an encoder: does the way in which a run embeds give what the plain network gives, item by item in float32?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from repbench.datasets.dataset import Dataset
from repbench.datasets.items import Items
from repbench.embeddings.extract import Extractor, Work
from repbench.embeddings.fidelity import Fidelity, K, fidelity, spread
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Encoder, Tower
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EmbeddingError, UsageError
from repbench.measure.geometry import unit_rows
from repbench.protocols.zero_shot import class_embeddings

LEAST = {"fp32": 0.999999, "bf16": 0.999, "fp16": 0.9999}  # cosine that every item must reach
CENTRED = {"fp32": 0.9999, "bf16": 0.9, "fp16": 0.99}  # and the mean centred one: raw ones hide much of what all have in common
WITHIN, OUTSIDE = 0, 1  # exit status


def audit_encoder(
    spec: str, dataset: Dataset, sample: int, options: ExtractOptions, load: LoadOptions, echo: Callable[[str], None]
) -> int:
    """Compare, for each tower that fits the dataset, a sample of items, and print what was found. Returns the exit status.

    Raises UsageError when no tower fits, and DataError or EmbeddingError when an item cannot be embedded.
    """
    encoder = load_encoder(spec, load)
    status = WITHIN
    both: dict[str, Both] = {}
    for modality, tower in encoder.towers.items():
        places, label = _sample(dataset, modality, sample)
        if not places:
            continue
        both[modality], notes = _embed(tower, places, options)
        found = fidelity(both[modality].plain, both[modality].run, label)
        least, centred = LEAST[options.precision], CENTRED[options.precision]
        good = found.least_cosine >= least and found.centred_cosine >= centred  # NaN is not good
        status = status if good else OUTSIDE
        for line in _lines(encoder.name, modality, dataset.name, found, options, notes, good):
            echo(line)
    if not both:
        raise UsageError(
            f"{encoder.name} has towers for {', '.join(encoder.towers)}; {dataset.name} holds nothing of that kind."
        )
    if "image" in both and (flips := _zero_shot_flips(encoder, dataset, both["image"], sample, options)) is not None:
        echo(f"{encoder.name}: zero-shot predictions that flip: {flips} of {len(both['image'].plain)}")
    return status


@dataclass(frozen=True, kw_only=True)
class Both:
    """The same items, float32 (n, dim): by the plain network one by one, and as a run embeds them."""

    plain: np.ndarray
    run: np.ndarray


def plain_rows(tower: Tower, places: list[tuple[Items, int]]) -> np.ndarray:
    """The embeddings float32 (n, dim) of items one by one, by the network as it was loaded, on the CPU.

    Raises EmbeddingError where it gives others than `dim` numbers.
    """
    with torch.inference_mode():
        rows = [tower.module(tower.prepare(items.load(place))[None])[0].float().numpy() for items, place in places]
    if others := [row.shape for row in rows if row.shape != (tower.dim,)]:
        raise EmbeddingError(f"the encoder gave {others[0]} for an item alone; expected {(tower.dim,)}.")
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


def _zero_shot_flips(encoder: Encoder, dataset: Dataset, images: Both, most: int, options: ExtractOptions) -> int | None:
    """Images whose nearest class by its prompts is another one, where images and prompts are embedded as in a run.

    At most so many prompts are taken, or one a class. None where zero-shot is not to be asked.
    """
    prompts, text = dataset.splits.get("prompts"), encoder.towers.get("text")
    if prompts is None or text is None or text.dim != encoder.towers["image"].dim:
        return None
    classes = len(prompts.class_names)
    of_each = [np.flatnonzero(prompts.label == one)[: max(1, most // classes)] for one in range(classes)]
    chosen = np.concatenate(of_each)
    items = prompts.media["text"]
    places = {items.keys[place]: (items, place) for place in chosen.tolist()}
    told, _ = _embed(text, places, options)
    row = {key: number for number, key in enumerate(places)}
    rows = [row[items.keys[place]] for place in chosen.tolist()]
    plain, run = (
        (unit_rows(image) @ class_embeddings(words[rows], prompts.label[chosen], classes).T).argmax(axis=1)
        for image, words in ((images.plain, told.plain), (images.run, told.run))
    )
    return int((plain != run).sum())


def _embed(tower: Tower, places: Mapping[str, tuple[Items, int]], options: ExtractOptions) -> tuple[Both, dict[str, str]]:
    """Items in both ways, and what is to be told of the run's forward passes."""
    address = Address(tower=tower.fingerprint, view="plain", precision=options.precision)
    work = Work(address=address, view="plain", keys=tuple(places), places=tuple(places.values()))
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), address)
        extractor = Extractor([work], [tower], {address: shelf}, options)
        extractor.fill(work)
        rows = shelf.rows(work.keys)[:, 0]
    return Both(plain=plain_rows(tower, list(places.values())), run=rows), extractor.notes(tower)


def _lines(
    name: str, modality: str, dataset: str, found: Fidelity, options: ExtractOptions, notes: dict[str, str], good: bool
) -> list[str]:
    verdict, precision = "within" if good else "OUTSIDE", options.precision
    flips = f"; {found.vote_flips} of {found.items} predictions flip all the same" if good and found.vote_flips else ""
    return [
        f"{name}, {modality}: {found.items} items of {dataset}, {options.precision} on {options.device} in batches of"
        f" {options.batch_size} against the plain network one by one",
        f"  largest absolute difference {found.largest_difference:.3g}",
        f"  cosine at least {found.least_cosine:.9f}, mean {found.mean_cosine:.9f}; centred, mean {found.centred_cosine:.9f}",
        f"  predictions that flip, of a vote of the {K} nearest others as in kNN: {_told(found.vote_flips)} of {found.items}",
        f"  nearest neighbours of another class than before: {_told(found.neighbour_flips)} of {found.items}",
        *(f"  {about}: {note}" for about, note in notes.items()),
        f"  {verdict} tolerance: every cosine at least {LEAST[precision]}, centred in the mean {CENTRED[precision]}{flips}",
    ]


def _told(flips: int | None) -> str:
    return "none can be made, for want of classes or finite numbers," if flips is None else str(flips)
