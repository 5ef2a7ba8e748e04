"""Steps 5 and 6 of the blind audit of a probe, which need its images: the model with images shuffled, and images alone.

They are taken where the file is the TOML of a dataset, whose images are here, and the encoder has towers for both.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from repbench.datasets.caption_files import CaptionProbe
from repbench.datasets.dataset import Split
from repbench.datasets.probe import numbered
from repbench.embeddings.extract import Work, distinct, extract
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Encoder, Tower
from repbench.encoders.load import load_encoder
from repbench.errors import RepbenchError
from repbench.measure import pairs
from repbench.measure.blind import independent, typicality_apart
from repbench.measure.geometry import unit_rows
from repbench.measure.intervals import wilson
from repbench.protocols._blind import another
from repbench.protocols.compositional import dot_products

NO_IMAGES = (
    "not taken: it needs the images. Give the TOML of a dataset, and --encoder with towers for images and texts; "
    "`repbench run ENCODER --tasks compositional/NAME` reports it as shuffled-images"
)

Looked = tuple[str, dict[str, float]]  # what came out in words, and by name


def looked(probe: CaptionProbe, encoder: str, seed: int) -> tuple[Looked, Looked]:
    """What a model scores with the images of other examples beside its own, and what choosing an image alone scores."""
    one = "" if probe.images > 1 else "nothing to choose: one image an example"
    if probe.split is None or not encoder:
        return (NO_IMAGES, {}), (one or NO_IMAGES, {})
    try:
        loaded = load_encoder(encoder)
        lacking = {"image", "text"} - set(loaded.towers)
        if lacking:
            raise RepbenchError(
                f"{encoder} has no tower for {' and '.join(sorted(lacking))}; --encoder takes one that has both"
            )
        images, captions = _units(loaded, probe.split)
    except RepbenchError as error:
        return (f"not taken: {error}", {}), (one or f"not taken: {error}", {})
    following = another(probe.split.ids, seed, probe.groups)
    own = _credit(probe, dot_products(images, captions))
    other = _credit(probe, dot_products(tuple(x[following] for x in images), captions))
    words = f"{encoder} scores {_words(other)} with the images of others and {_words(own)} with its own; chance {own[2]:.1%}"
    shuffled = words, {"shuffled_images": other[0], "own_images": own[0]}
    return shuffled, (one, {}) if one else _alone(probe, images, len(captions))


def _alone(probe: CaptionProbe, images: tuple[np.ndarray, ...], captions: int) -> Looked:
    """Each image scores how typical it is, its mean cosine with the images of other examples, beside any caption."""
    typical = typicality_apart(images, np.ones((len(probe), len(images)), dtype=bool), probe.groups)
    if typical is None:
        return "not taken: all examples share their images", {}
    found = _credit(probe, np.repeat(typical[:, :, None], captions, axis=2))
    return f"the most typical image scores {_words(found)}; chance {found[2]:.1%}", {"image_alone": found[0]}


def _credit(probe: CaptionProbe, scores: np.ndarray) -> tuple[float, tuple[float, float], float]:
    """The first metric of scores (n, images, captions), its 95 % interval, and chance."""
    judged = pairs.judge(probe.rule, scores, probe.candidates)
    credit, weight = judged.credits[judged.primary], np.full(len(probe), 1 / len(probe))
    value = float(credit.mean())
    return value, wilson(value, independent(credit, weight, probe.groups)), float(judged.chance[judged.primary].mean())


def _words(found: tuple[float, tuple[float, float], float]) -> str:
    value, (low, high), _ = found
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def _units(encoder: Encoder, split: Split) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Unit rows (n, dim) of each column of images and of captions. Raises RepbenchError for towers of unlike widths."""
    columns = {name: items.modality for name, items in split.media.items()}
    with tempfile.TemporaryDirectory() as folder:
        images, captions = (
            tuple(_rows(split, name, encoder.towers[modality], Path(folder)) for name in numbered(modality, columns))
            for modality in ("image", "text")
        )
    if images[0].shape[1] != captions[0].shape[1]:
        raise RepbenchError(
            f"the towers of {encoder.name} share no space: {images[0].shape[1]} and {captions[0].shape[1]} wide"
        )
    return images, captions


def _rows(split: Split, column: str, tower: Tower, store: Path) -> np.ndarray:
    items = split.media[column]
    found = distinct([(items, range(len(split)))])
    address = Address(tower=tower.fingerprint, view="plain", precision="fp32")
    shelf = Shelf(store, address)
    extract(
        Work(address=address, view="plain", keys=tuple(found), places=tuple(found.values())), tower, shelf, ExtractOptions()
    )
    return unit_rows(shelf.rows(items.keys)[:, 0])
