"""From a declaration to a dataset: the first source that is on this machine, read and checked against the facts."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.carve import carve_validation, first_by_class
from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.declaration import DIFFICULT, ELEVEN_POINT, DatasetDeclaration
from repbench.datasets.items import text_items
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError, DeclarationError, did_you_mean
from repbench.strict import build

SOURCES = {"pack": "Pack", "folder": "Folder", "huggingface": "HuggingFace"}  # module in sources/ -> its options


def open_dataset(declaration: DatasetDeclaration, data: Path | None = None, limit: int | None = None) -> Dataset:
    """The dataset of a declaration, from the first of its sources that is on this machine.

    `data` is the folder of the user's datasets. `limit` keeps that many examples of each split, the classes in turn, and at
    least one of each class.
    Raises DataError when no source is there (it says where was looked) or when what is there is not what was declared.
    """
    absent: list[str] = []
    for name, options in declaration.sources.items():
        raw = _read_source(name, options, declaration, data)
        if isinstance(raw, RawDataset):
            return checked(raw, declaration, limit)
        absent.append(f"{name}: {raw.looked_for}{f' ({raw.how_to_get})' if raw.how_to_get else ''}")
    looked = "; ".join(absent)
    raise DataError(f"the dataset {declaration.name!r} is not on this machine. Looked for {looked}.")


def check_sources(declaration: DatasetDeclaration) -> None:
    """Raise DeclarationError if a source or one of its options is unknown; nothing is read."""
    for name, options in declaration.sources.items():
        _options(name, options, declaration)


def _options(name: str, options: Mapping[str, Any], declaration: DatasetDeclaration) -> Any:
    where = f"{declaration.path or declaration.name}: sources.{name}"
    if name not in SOURCES:
        raise DeclarationError(f"{where}: unknown source.{did_you_mean(name, SOURCES)}")
    module = importlib.import_module(f"repbench.datasets.sources.{name}")
    return build(getattr(module, SOURCES[name]), options, where)


def _read_source(
    name: str, options: Mapping[str, Any], declaration: DatasetDeclaration, data: Path | None
) -> RawDataset | Absent:
    given = _options(name, options, declaration)
    module = importlib.import_module(f"repbench.datasets.sources.{name}")
    raw: RawDataset | Absent = module.read(given, declaration, data)
    return raw


def checked(raw: RawDataset, declaration: DatasetDeclaration, limit: int | None) -> Dataset:
    """The dataset of what a source gave. Raises DataError where that is not what was declared."""
    names = _class_names(raw, declaration)
    splits: dict[str, Split] = {}
    for split, size in declaration.splits.items():
        found = raw.splits[split]
        if len(found.ids) != size:
            raise DataError(
                f"{declaration.name}: the split {split!r} from {raw.place} has {len(found.ids)} examples; declared are {size}."
            )
        splits[split] = _split(split, found, names, declaration)
    if declaration.validation is not None:
        train = splits["train"]
        kept, held = carve_validation(train.label, declaration.validation.share, declaration.validation.seed)
        splits |= {"train": train.take(kept), "val": train.take(held, "val")}
    if limit is not None:
        least = max(limit, len(names))  # a class that is missing in train would be another question
        splits = {name: split.take(first_by_class(split.label, least)) for name, split in splits.items()}
    if declaration.prompts is not None:
        splits["prompts"] = _prompts(declaration, names)
    return Dataset(declaration=declaration, splits=splits, source=raw.place)


def _class_names(raw: RawDataset, declaration: DatasetDeclaration) -> tuple[str, ...]:
    if not isinstance(declaration.classes, int):
        return declaration.classes
    if raw.class_names is not None:
        names = raw.class_names
    else:
        names = tuple(sorted({str(name) for split in raw.splits.values() for name in split.label}))
    if len(names) != declaration.classes:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise DataError(
            f"{declaration.name}: {raw.place} has {len(names)} classes ({shown}); declared are {declaration.classes}."
        )
    return names


def _split(name: str, raw: RawSplit, class_names: tuple[str, ...], declaration: DatasetDeclaration) -> Split:
    if declaration.is_multilabel or raw.label.ndim == 2:
        label = _memberships(name, raw.label, len(class_names), declaration)
    elif np.issubdtype(raw.label.dtype, np.integer):
        label = raw.label.astype(np.int64)
        if len(label) and (label.min() < 0 or label.max() >= len(class_names)):
            raise DataError(f"{declaration.name}: a label of {name!r} lies outside 0 to {len(class_names) - 1}.")
    else:
        place = {class_name: index for index, class_name in enumerate(class_names)}
        unknown = sorted({str(text) for text in raw.label} - set(place))
        if unknown:
            raise DataError(f"{declaration.name}: the split {name!r} has undeclared classes: {', '.join(unknown[:10])}.")
        label = np.array([place[str(text)] for text in raw.label], dtype=np.int64)
    return Split(name=name, ids=raw.ids, label=label, columns=raw.columns, media=raw.media, class_names=class_names)


def _memberships(name: str, label: np.ndarray, classes: int, declaration: DatasetDeclaration) -> np.ndarray:
    """Labels int8 (n, classes) of 1, -1, 0, with the declared rule for classes of which only difficult objects are there."""
    if not declaration.is_multilabel:
        raise DataError(
            f"{declaration.name}: the split {name!r} has several classes an example; its metric would be {ELEVEN_POINT!r}."
        )
    if label.ndim != 2 or label.shape[1] != classes or not np.isin(label, (-1, 0, 1)).all():
        raise DataError(
            f"{declaration.name}: the labels of {name!r} have shape {label.shape}; expected (n, {classes}) of 1, -1 and 0."
        )
    ruled: np.ndarray = np.where(label == 0, DIFFICULT[declaration.difficult], label).astype(np.int8)
    return ruled


def _prompts(declaration: DatasetDeclaration, class_names: tuple[str, ...]) -> Split:
    assert declaration.prompts is not None
    texts: list[str] = []
    labels: list[int] = []
    for index, class_name in enumerate(class_names):
        prompts = declaration.prompts.of(class_name)
        if not prompts:
            raise DataError(f"{declaration.name}: the class {class_name!r} has no prompt.")
        texts += prompts
        labels += [index] * len(prompts)
    ids = [f"prompt/{place}" for place in range(len(texts))]
    return Split(
        name="prompts",
        ids=np.array(ids),
        label=np.array(labels, dtype=np.int64),
        columns={"prompt": np.array(texts)},
        media={"text": text_items(texts, ids)},
        class_names=class_names,
    )
