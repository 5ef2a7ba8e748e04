"""What a report card shows of a dataset's items: a map of their embeddings (t-SNE), nearest neighbours, small pictures."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.dataset import Dataset, Split
from repbench.embeddings.store import Address, Shelf
from repbench.errors import DataError, StoreError
from repbench.measure.geometry import normalised
from repbench.results.record import Record

POINTS = 500  # of the map
SIDE = 44  # pixels of a picture
QUERIES, NEIGHBOURS = 8, 7
FACTOR_VALUES = 24  # a factor with more values colours nothing


@dataclass(frozen=True, kw_only=True)
class Items:
    """The test items of a dataset that are shown: `places` (m,) in the split, their embeddings (m, dim)."""

    split: Split
    medium: str
    places: np.ndarray
    x: np.ndarray


def items_of(dataset: Dataset, record: Record, store: Path) -> Items:
    """The items of the test split, at most POINTS spread over it, with their stored embeddings.

    Raises StoreError where the store does not have them.
    """
    split, medium = dataset.splits["test"], dataset.declaration.medium
    places = np.unique(np.linspace(0, len(split) - 1, min(POINTS, len(split))).round().astype(int))
    items = split.media[medium]
    if items.modality not in record.towers:
        raise StoreError(f"{record.encoder} has no tower for {items.modality}.")
    address = Address(tower=record.towers[items.modality]["fingerprint"], view="plain", precision=record.inputs.precision)
    keys = items.keys
    x = Shelf(store, address).rows([keys[place] for place in places])[:, 0]
    return Items(split=split, medium=medium, places=places, x=normalised(x))


def map_of(items: Items, factors: tuple[str, ...]) -> dict[str, Any]:
    """t-SNE (van der Maaten & Hinton 2008; scikit-learn) of the embeddings, with classes and factors to colour it by."""
    from sklearn.manifold import TSNE

    n = len(items.x)
    if n < 10:
        return {}
    model = TSNE(perplexity=min(30.0, (n - 1) / 4), init="pca", random_state=0)
    at = model.fit_transform(items.x.astype(np.float64))
    at = (at - at.min(axis=0)) / np.maximum(np.ptp(at, axis=0), 1e-12)
    colours = (
        {"class": [items.split.class_names[one] for one in items.split.label[items.places]]}
        if items.split.label.ndim == 1
        else {}
    )
    for name in factors:
        if name in items.split.columns:
            values = [str(one) for one in items.split.columns[name][items.places]]
            if 2 <= len(set(values)) <= FACTOR_VALUES:
                colours[name] = values
    return {"at": at.round(4).tolist(), "colours": colours}


def gallery_of(items: Items) -> list[dict[str, Any]]:
    """Queries spread over the classes, each with its nearest others by cosine; places are those of the map."""
    if items.split.label.ndim != 1 or len(items.x) <= NEIGHBOURS:
        return []
    label = items.split.label[items.places]
    present, first = np.unique(label, return_index=True)
    chosen = first[np.unique(np.linspace(0, len(present) - 1, min(QUERIES, len(present))).round().astype(int))]
    near = items.x[chosen] @ items.x.T
    near[np.arange(len(chosen)), chosen] = -np.inf
    order = np.argsort(-near, axis=1, kind="stable")[:, :NEIGHBOURS]
    return [
        {
            "query": int(query),
            "near": [[int(one), round(float(near[row, one]), 3), bool(label[one] == label[query])] for one in order[row]],
        }
        for row, query in enumerate(chosen)
    ]


def pictures(split: Split, medium: str, places: np.ndarray) -> list[str]:
    """One small picture (WebP as a data address), or the text of it, for each place; empty where it cannot be shown."""
    return [_picture(split.media[medium], int(place)) for place in places]


def _picture(items: Any, place: int) -> str:
    try:
        if items.modality == "text":
            return str(items.load(place))[:120]
        if items.modality != "image":
            return ""
        picture = items.load(place).copy()
    except DataError:
        return ""
    picture.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=60)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
