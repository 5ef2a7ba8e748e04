"""Looking over a copy of a dataset: sizes, classes, content hash of each split, items that splits share, known differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from repbench.datasets.carve import digest_of
from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import Items
from repbench.datasets.open import open_dataset
from repbench.digests import digest_text
from repbench.errors import DataError

SHOWN = 3  # of many, the first


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a copy is, in lines; in what it is `known` to differ from the published data; and what else is wrong with it."""

    lines: tuple[str, ...]
    known: tuple[str, ...]
    problems: tuple[str, ...]


def check(declaration: DatasetDeclaration, data: Path | None = None, *, decode: bool = False) -> Checked:
    """Every byte of a copy read, and with `decode` every item decoded. Raises DataError where it cannot be read at all."""
    dataset = open_dataset(declaration, data, deviating=True)
    splits = [split for split in dataset if split.name not in ("prompts", "captions")]
    problems = [*_list_problems(declaration), *_shared(splits, declaration.medium)]
    if decode:
        problems += [problem for split in splits for problem in _undecodable(split.media[declaration.medium])]
    return Checked(lines=tuple(_lines(dataset, splits)), known=dataset.deviations, problems=tuple(problems))


def content_hash(split: Split, column: str) -> str:
    """Digest of labels and content of a split, in order: equal for copies of the same bytes, wherever they lie."""
    return digest_text(*map(str, split.label.tolist()), *split.media[column].keys)


def _lines(dataset: Dataset, splits: list[Split]) -> Iterator[str]:
    declared = dataset.declaration
    yield f"{declared.name}: {declared.title}"
    yield f"  read from {dataset.source}"
    yield f"  classes   {len(splits[0].class_names)}: {', '.join(splits[0].class_names[:SHOWN])}, …"
    for split in splits:
        counts = (split.label > 0).sum(axis=0) if split.label.ndim == 2 else np.bincount(split.label)
        size = f"{len(split)} examples, {counts.min()} to {counts.max()} a class"
        yield f"  {split.name:<9} {size}, content {content_hash(split, declared.medium)}"


def _list_problems(declaration: DatasetDeclaration) -> Iterator[str]:
    """A list of validation that ships and does not have its declared digest."""
    rule = declaration.validation
    if rule is None or not rule.places or declaration.path is None:
        return
    path = declaration.path.parent / rule.places
    try:
        places = np.array(path.read_text(encoding="utf-8").split(), dtype=np.int64)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a list of places ({error}).") from error
    if digest_of(places) != rule.digest:
        yield f"{path} is another list than the declared one (digest {digest_of(places)})"


def _shared(splits: list[Split], column: str) -> Iterator[str]:
    place = {split.name: dict(zip(split.media[column].keys, split.ids.tolist(), strict=True)) for split in splits}
    for one, other in combinations(place, 2):
        common = sorted(place[one].keys() & place[other].keys())
        if common:
            pairs = ", ".join(f"{place[one][key]} = {place[other][key]}" for key in common[:SHOWN])
            yield f"{one} and {other} share {len(common)} items ({pairs}{', …' if len(common) > SHOWN else ''})"


def _undecodable(items: Items) -> Iterator[str]:
    for place in range(len(items)):
        try:
            items.load(place)
        except DataError as error:
            yield str(error)
