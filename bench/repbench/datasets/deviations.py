"""In what a copy of a published dataset is known to differ from it: each difference in words; nothing is decoded for it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from repbench.datasets.classes import place_of
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import Items, PixelItems
from repbench.datasets.lossy import image_size, lossy_format
from repbench.datasets.table import RawDataset

UNKNOWN = 0  # the declared size of a split whose authors state none that could be checked
SHOWN = 5  # classes that are named, of those that differ
SAMPLE = 1000  # items of a split that are looked at, evenly spaced; of the sets of pixels this takes a tenth of a second


def deviations(raw: RawDataset, declaration: DatasetDeclaration) -> tuple[str, ...]:
    """The differences of what a source gave; empty where none is known, which is no proof that there is none."""
    found = (_sizes, _pixels, _positives, _files)
    return (*raw.deviations, *(words for look in found for words in look(raw, declaration)))


def _sizes(raw: RawDataset, declaration: DatasetDeclaration) -> Iterator[str]:
    for split, size in declaration.splits.items():
        if len(raw.splits[split].ids) != size and size != UNKNOWN:
            yield (
                f"the split {split!r} from {raw.place} has {len(raw.splits[split].ids)} examples; declared are {size}"
                f"{_empty_classes(raw, declaration, split)}"
            )


def _empty_classes(raw: RawDataset, declaration: DatasetDeclaration, split: str) -> str:
    """The classes of which a split has no example, in words: a folder that was left empty, or out, shows itself so."""
    label, theirs = raw.splits[split].label, raw.class_names
    declared = None if isinstance(declaration.classes, int) else declaration.classes
    names = declared if declared is not None and (theirs is None or label.dtype.kind in "UO") else theirs
    if names is None or label.ndim != 1:
        return ""
    seen = [names[one] if isinstance(one, int) and 0 <= one < len(names) else str(one) for one in np.unique(label).tolist()]
    if names is declared:  # of which folders may be other spellings
        seen = [names[place] for one in seen if (place := place_of(one, names, declaration)) is not None]
    empty = [name for name in names if name not in seen]
    return f" (no example of {', '.join(map(repr, empty[:5]))}{', …' if len(empty) > 5 else ''})" if empty else ""


def _pixels(raw: RawDataset, declaration: DatasetDeclaration) -> Iterator[str]:
    """Pictures that were compressed again, or made larger or smaller, of a dataset whose pixels were published."""
    content = declaration.content
    if not content.lossless and not content.size:
        return
    for split, found in raw.splits.items():
        kinds: Counter[str] = Counter()
        sizes: Counter[tuple[int, int]] = Counter()
        looked_at = _sample(found.media[declaration.medium])
        for data in looked_at:
            kinds.update([kind] if content.lossless and (kind := lossy_format(data)) else [])
            size = image_size(data) if content.size else None
            sizes.update([size] if size is not None and size != content.size else [])
        for kind, count in kinds.items():
            yield (
                f"pictures of the split {split!r} are {kind}s ({count} of {len(looked_at)} looked at), so their pixels are"
                " not those that were published"
            )
        if sizes:
            width, height = sizes.most_common(1)[0][0]
            yield (
                f"pictures of the split {split!r} have {width} x {height} pixels ({sizes.total()} of {len(looked_at)} looked at"
                f" have another size than published); published are {content.size[0]} x {content.size[1]}"
            )


def _positives(raw: RawDataset, declaration: DatasetDeclaration) -> Iterator[str]:
    for split, counts in declaration.content.positives.items():
        found = (raw.splits[split].label > 0).sum(axis=0).tolist()
        other = [place for place, pair in enumerate(zip(found, counts, strict=False)) if pair[0] != pair[1]]
        if other:
            names = raw.class_names or declaration.classes
            which = [f"in place {place}" if isinstance(names, int) else repr(names[place]) for place in other]
            told = [f"{words} {found[place]} (published {counts[place]})" for words, place in zip(which, other, strict=True)]
            more = f" and {len(told) - SHOWN} more classes" if len(told) > SHOWN else ""
            yield f"examples of the split {split!r} by class are other ones: {', '.join(told[:SHOWN])}{more}"


def _sample(items: Items) -> list[bytes]:
    """The encoded bytes of SAMPLE items at most; none of those that lie as raw pixels, which nothing can have changed so."""
    if isinstance(items, PixelItems) or not len(items):
        return []
    return [items.content(place) for place in np.unique(np.linspace(0, len(items) - 1, SAMPLE).astype(int)).tolist()]


def _files(raw: RawDataset, declaration: DatasetDeclaration) -> Iterator[str]:
    if raw.folder is None:
        return
    for name, md5 in declaration.content.md5.items():
        path = raw.folder / name
        if path.is_file() and _md5(path) != md5:
            yield f"the file {path} is another than the published one (MD5)"


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
