"""Looking over a copy of a dataset: sizes, classes, content hash of each split, items that splits share, known differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from repbench.datasets.carve import digest_of
from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.declaration import HELD_OUT, REST, DatasetDeclaration
from repbench.datasets.deviations import UNKNOWN
from repbench.datasets.items import Items
from repbench.datasets.open import open_dataset, open_splits
from repbench.datasets.probe import RULES
from repbench.digests import digest_text
from repbench.errors import DataError, counted

SHOWN = 3  # of many, the first
MOST_SHARED = 0.01  # of the smaller of two splits may lie in the other too: real data have a few exact duplicates
MOST_SUBSETS = 12
DERIVED = ("prompts", "captions", HELD_OUT, REST)  # splits that are made of others


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a copy is, in lines; in what it is `known` to differ from the published data; and what else is wrong with it.

    `notes` say what one should know and what is no fault of the copy.
    """

    lines: tuple[str, ...]
    known: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def check(declaration: DatasetDeclaration, data: Path | None = None, *, decode: bool = False) -> Checked:
    """Every byte of a copy read, and with `decode` every item decoded. Raises DataError where it cannot be read at all."""
    dataset = _opened(declaration, data)
    splits = [split for split in dataset if split.name not in DERIVED]
    columns = _columns(declaration)
    shared = list(_shared(splits, columns))
    problems = [*_list_problems(declaration), *(words for words, is_much in shared if is_much)]
    notes = [words for words, is_much in shared if not is_much]
    if missing := [name for name in declaration.splits if name not in dataset.splits]:
        notes.append(f"there is no split {', '.join(missing)}: what needs it cannot be asked of this copy")
    if decode:
        problems += [problem for split in splits for name in columns for problem in _undecodable(split.media[name])]
    hashes = {split.name: content_hash(split, *_hashed(declaration)) for split in splits}
    return Checked(
        lines=tuple(_lines(dataset, splits, hashes)),
        known=(*dataset.deviations, *_other_digests(hashes, declaration)),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _opened(declaration: DatasetDeclaration, data: Path | None) -> Dataset:
    """The copy as a whole, else with its test split alone; its `source` says what is missing."""
    try:
        return open_dataset(declaration, data, deviating=True)
    except DataError as error:
        try:
            return open_splits(declaration, ("test",), data, deviating=True)
        except DataError:
            raise error from None


def content_hash(split: Split, *columns: str) -> str:
    """Digest of labels and content of a split, in order: equal for copies of the same bytes, wherever they lie."""
    return digest_text(*map(str, split.label.tolist()), *(key for name in columns for key in split.media[name].keys))


def _columns(declaration: DatasetDeclaration) -> tuple[str, ...]:
    """The columns that make a split what it is: of a probe all its images, else what is embedded."""
    return declaration.probe.images_of(declaration.columns) if declaration.probe is not None else (declaration.medium,)


def _hashed(declaration: DatasetDeclaration) -> tuple[str, ...]:
    """The columns whose content a split's hash covers: of a probe its captions too."""
    captions = declaration.probe.captions_of(declaration.columns) if declaration.probe is not None else ()
    return (*_columns(declaration), *captions)


def _other_digests(hashes: Mapping[str, str], declaration: DatasetDeclaration) -> Iterator[str]:
    for split, published in declaration.content.digests.items():
        if hashes.get(split) not in published:
            yield f"the content of the split {split!r} has the digest {hashes.get(split)}; published are {', '.join(published)}"


def _compared(split: str, declaration: DatasetDeclaration) -> str:
    """What the digest of a split was compared with, in words."""
    return "compared with the published" if split in declaration.content.digests else "no published digest to compare with"


def _lines(dataset: Dataset, splits: list[Split], hashes: Mapping[str, str]) -> Iterator[str]:
    declared = dataset.declaration
    yield f"{declared.name}: {declared.title}"
    yield f"  read from {dataset.source}"
    if open_ones := [name for name, size in declared.splits.items() if size == UNKNOWN]:
        yield f"  size      of {', '.join(open_ones)} not declared: that no example is missing cannot be checked"
    if declared.probe is not None:
        yield from _probe_lines(declared, splits, hashes)
        return
    yield f"  classes   {len(splits[0].class_names)}: {', '.join(splits[0].class_names[:SHOWN])}, …"
    for split in splits:
        counts = (
            (split.label > 0).sum(axis=0)
            if split.label.ndim == 2
            else np.bincount(split.label, minlength=len(split.class_names))
        )
        size = f"{len(split)} examples, {counts.min()} to {counts.max()} a class"
        yield f"  {split.name:<9} {size}, content {hashes[split.name]} ({_compared(split.name, declared)})"


def _probe_lines(declared: DatasetDeclaration, splits: list[Split], hashes: Mapping[str, str]) -> Iterator[str]:
    """Of a probe: its rule, and of each split how many images, captions and subsets there are."""
    probe = declared.probe
    assert probe is not None
    images, captions = probe.images_of(declared.columns), probe.captions_of(declared.columns)
    yield f"  rule      {probe.rule}: {RULES[probe.rule].words}"
    for split in splits:
        many = [len({key for name in columns for key in split.media[name].keys}) for columns in (images, captions)]
        size = f"{len(split)} examples of {many[0]} images and {many[1]} captions"
        yield f"  {split.name:<9} {size}, content {hashes[split.name]} ({_compared(split.name, declared)})"
        if probe.subset:
            names, counts = np.unique(split.columns[probe.subset].astype(str), return_counts=True)
            shown = ", ".join(f"{name} {count}" for name, count in list(zip(names, counts, strict=True))[:MOST_SUBSETS])
            more = f", and {len(names) - MOST_SUBSETS} more" if len(names) > MOST_SUBSETS else ""
            yield f"            {probe.subset}: {shown}{more}"


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


def _shared(splits: list[Split], columns: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Of each pair of splits that share items: how many and the first, in words; and whether that is more than MOST_SHARED."""
    place = {
        split.name: {
            key: identifier
            for name in columns
            for key, identifier in zip(split.media[name].keys, split.ids.tolist(), strict=True)
        }
        for split in splits
    }
    for one, other in combinations(place, 2):
        common = sorted(place[one].keys() & place[other].keys(), key=place[one].__getitem__)
        if common:
            pairs = ", ".join(f"{place[one][key]} = {place[other][key]}" for key in common[:SHOWN])
            share = len(common) / min(len(place[one]), len(place[other]))
            words = f"{one} and {other} share {counted(len(common), 'item')}, {share:.2%} of the smaller"
            yield f"{words} ({pairs}{', …' if len(common) > SHOWN else ''})", share > MOST_SHARED


def _undecodable(items: Items) -> Iterator[str]:
    for place in range(len(items)):
        try:
            items.load(place)
        except DataError as error:
            yield str(error)
