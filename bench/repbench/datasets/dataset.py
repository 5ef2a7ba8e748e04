"""A dataset that has been opened: its splits, with labels and factors in memory and the media still encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.items import Items
from repbench.digests import digest_text


@dataclass(frozen=True, kw_only=True)
class Split:
    """An ordered set of examples: n ids, labels, further columns, media.

    Labels are int64 (n,), indices into class_names; or, where examples can be of several classes, int8 (n, classes): 1 where
    the class is there, -1 where it is not, 0 where that is not to be judged.
    """

    name: str
    ids: np.ndarray
    label: np.ndarray
    columns: Mapping[str, np.ndarray]
    media: Mapping[str, Items]
    class_names: tuple[str, ...]
    frame: np.ndarray | None = None  # int64 (n,), where examples are moments of sounds: which frame of its sound each is

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: np.ndarray, name: str | None = None) -> Split:
        """The examples at `places`, int (m,), in that order."""
        return Split(
            name=name or self.name,
            ids=self.ids[places],
            label=self.label[places],
            columns={column: values[places] for column, values in self.columns.items()},
            media={column: items.take(places) for column, items in self.media.items()},
            class_names=self.class_names,
            frame=None if self.frame is None else self.frame[places],
        )

    @cached_property
    def fingerprint(self) -> str:
        """Digest of ids, labels, class names and the content of every medium, in order."""
        keys = (key for column in sorted(self.media) for key in self.media[column].keys)
        frames = () if self.frame is None else map(str, self.frame.tolist())
        return digest_text(*self.class_names, *map(str, self.ids), *map(str, self.label.tolist()), *keys, *frames)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A declaration and the splits that were read for it. `source` says from where, in words.

    `deviations` say in what this copy is known to differ from the published data, `carved` which validation images it gives
    where that is not the list that ships.
    """

    declaration: DatasetDeclaration
    splits: Mapping[str, Split]
    source: str
    deviations: tuple[str, ...] = ()
    carved: str = ""

    @property
    def name(self) -> str:
        """The name of its declaration."""
        return self.declaration.name

    def __iter__(self) -> Iterator[Split]:
        return iter(self.splits.values())

    def fingerprint(self, splits: tuple[str, ...]) -> str:
        """Digest of the named splits: what the dataset fingerprint of a record is made of."""
        return digest_text(*(text for name in sorted(splits) for text in (name, self.splits[name].fingerprint)))
