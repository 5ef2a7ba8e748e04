"""Hugging Face `datasets`: a hub repository that is in the local cache, a folder in a hub layout, or Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from repbench.datasets.card import check_card, files_of_splits
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.inside import check_inside
from repbench.datasets.items import EncodedItems, FileItems, Items
from repbench.datasets.shards import missing_shard
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class HuggingFace:
    """Options of `[sources.huggingface]`.

    Either `repository` (a hub id, or a folder below `--data`) with `config` and `revision`, or `files`: Parquet files by
    split, relative to `--data`. `columns` maps our column names to theirs, `splits` our split names to theirs.
    """

    repository: str = ""
    config: str | None = None
    revision: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.repository) == bool(self.files):
            raise ValueError("give either 'repository' or 'files'.")


def find(options: HuggingFace, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder of a repository, below `--data` or in the local hub cache, or that of the files; no hub is asked."""
    base = data or Path()
    if options.files:
        found = {split: sorted(base.glob(options.files.get(split) or "(none)")) for split in declaration.splits}
        without = [
            options.files.get(split) or "(no file is declared for a split)" for split, paths in found.items() if not paths
        ]
        return Absent(looked_for=base / without[0], begun=base if any(found.values()) else None) if without else base
    folder = base / options.repository
    place = folder if folder.is_dir() else _snapshot(options, folder)
    lacking = None if isinstance(place, Absent) else _missing(place, options, declaration)
    return Absent(looked_for=lacking, begun=place) if lacking and isinstance(place, Path) else place


def under_way(repository: str) -> Path:
    """A file in the hub's cache that is there while a repository is downloaded and not yet whole."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"datasets--{repository.replace('/', '--')}" / ".fetching"


def _snapshot(options: HuggingFace, folder: Path) -> Path | Absent:
    pinned = f" at {options.revision}" if options.revision else ""
    absent = Absent(looked_for=f"{options.repository}{pinned} in the local hub cache or {folder}")
    marker = under_way(options.repository)
    if not marker.parent.is_dir():
        return absent  # what else would be imported takes half a second, and lists look for many repositories
    if marker.exists():
        return replace(absent, looked_for="the rest of its download", begun=marker.parent)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(options.repository, repo_type="dataset", revision=options.revision, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return absent
    return Path(found)


def _missing(folder: Path, options: HuggingFace, declaration: DatasetDeclaration) -> Path | None:
    """A file of a declared split that its card or the names of other files promise, and that is not in the folder."""
    theirs = [options.splits.get(split, split) for split in declaration.splits]
    try:
        promised = files_of_splits(folder, options.config)
    except DataError:  # told when it is read
        return None
    for split in theirs:
        paths = [path for pattern in promised.get(split, ()) for path in folder.glob(pattern)]
        if promised.get(split) and not paths:
            return folder / promised[split][0]
        if (lacking := missing_shard(paths)) is not None:
            return lacking
    return None


def read(options: HuggingFace, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The splits of a repository that is already on this machine; nothing is downloaded. Raises DataError."""
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    splits: dict[str, RawSplit] = {}
    class_names: tuple[str, ...] | None = None
    place = options.repository or "Parquet files"
    for split in declaration.splits:
        splits[split], names = raw_split(_load(options, split, folder), split, options.columns, declaration, place, folder)
        class_names = class_names or names
    return RawDataset(splits=splits, class_names=class_names, place=f"Hugging Face datasets: {place}")


def _load(options: HuggingFace, split: str, folder: Path) -> Any:
    if options.files:
        paths = [str(path) for path in sorted(folder.glob(options.files[split]))]
        return load_table(folder, "parquet", data_files={split: paths}, split=split)
    check_card(folder)
    theirs, promised = options.splits.get(split, split), files_of_splits(folder, options.config)
    only: dict[str, Any] = {}
    if not all(any(folder.glob(pattern)) for patterns in promised.values() for pattern in patterns):
        only = {"data_files": {theirs: promised.get(theirs)}}  # other splits, which nobody asked for, were not fetched
    return load_table(folder, str(folder), options.config, split=theirs, **only)


def load_table(folder: Path, *which: Any, split: str, **arguments: Any) -> Any:
    """A split by `datasets.load_dataset`, from files of `folder`. Raises DataError for whatever that raises."""
    import datasets

    try:
        with _without_bars(datasets):
            return datasets.load_dataset(*which, split=split, **arguments)
    except Exception as error:  # errors of its own, of pyarrow, fsspec and the language
        cause = error.__cause__ or error
        reason = str(cause).strip() or type(cause).__name__
        raise DataError(f"{folder}: the split {split!r} cannot be read ({reason[:500]}).") from error


@contextmanager
def _without_bars(datasets: ModuleType) -> Iterator[None]:
    """A block without the bars of `datasets`, which pass by `--quiet`: the run shows one of its own."""
    hidden = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            datasets.enable_progress_bars()


def raw_split(
    table: Any, split: str, names: Mapping[str, str], declaration: DatasetDeclaration, place: str, folder: Path
) -> tuple[RawSplit, tuple[str, ...] | None]:
    """One split of a table of `datasets`, and its class names where it knows them; `names` maps our columns to theirs.

    Files that the table names lie in `folder`.
    """
    label = () if declaration.probe is not None else (declaration.label,)
    theirs = {column: names.get(column, column) for column in (*declaration.columns, *label)}
    for column in theirs.values():
        if column not in table.column_names:
            raise DataError(f"{place}: no column {column!r}; there are {', '.join(table.column_names)}.")
    feature = table.features[theirs[label[0]]] if label else None
    class_names = getattr(getattr(feature, "feature", feature), "names", None)
    ids = np.array([f"{split}/{place}" for place in range(len(table))])
    media = {
        column: column_items(table, theirs[column], modality, list(ids), folder)
        for column, modality in declaration.columns.items()
    }
    columns = {
        column: np.asarray(table[column][:])
        for column in table.column_names
        if column not in theirs.values() and table.features[column].__class__.__name__ in ("Value", "ClassLabel")
    }
    if not label:
        return RawSplit(ids=ids, label=np.zeros(len(ids), int), columns=columns, media=media), None
    values = table[theirs[label[0]]][:]
    found = _memberships(values, class_names, declaration) if declaration.is_multilabel else np.asarray(values)
    return RawSplit(ids=ids, label=found, columns=columns, media=media), tuple(class_names) if class_names else None


def _memberships(
    rows: Sequence[Sequence[str | int]], names: Sequence[str] | None, declaration: DatasetDeclaration
) -> np.ndarray:
    """Labels (n, classes), 1 and -1, of lists of classes, by name or by number; a list knows of no difficult objects."""
    written = tuple(names) if names else declaration.classes
    assert not isinstance(written, int)
    label = np.full((len(rows), len(written)), -1, dtype=np.int8)
    for place, classes in enumerate(rows):
        for one in classes:
            label[place, one if isinstance(one, int) else written.index(one)] = 1
    return label


def column_items(table: Any, column: str, modality: str, names: list[str], folder: Path) -> Items:
    """The media of one column of a table of `datasets`; images and sounds stay encoded.

    Raises DataError where the table names a file outside `folder` and the caches of the hub.
    """
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    if modality == "text":
        return EncodedItems("text", names, [str(text).encode() for text in table[column][:]])
    feature = datasets.Image(decode=False) if modality == "image" else datasets.Audio(decode=False)
    values: Sequence[Mapping[str, Any]] = table.select_columns([column]).cast_column(column, feature)[column]
    if len(values) and values[0]["bytes"] is None:
        paths = [Path(value["path"] or "") for value in values]
        check_inside(paths, folder, Path(datasets.config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE))
        return FileItems(modality, paths)
    return _Lazy(modality, names, values)


class _Lazy(Items):
    """Bytes that stay in the memory-mapped Arrow file until they are asked for."""

    def __init__(self, modality: str, names: Sequence[str], values: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(modality, names)
        self._values = values

    def content(self, place: int) -> bytes:
        data: bytes | None = self._values[place]["bytes"]
        if data is None:
            raise DataError(f"{self.names[place]}: the table holds no bytes of this {self.modality}.")
        return data
