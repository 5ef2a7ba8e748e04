"""From a declaration to a dataset: the first source that is on this machine, read and checked against the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.captions import with_captions
from repbench.datasets.carve import carve_clusters, carve_validation, digest_of, first_by_class
from repbench.datasets.classes import class_names, label_order, places_of
from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.declaration import DIFFICULT, ELEVEN_POINT, HELD_OUT, REST, DatasetDeclaration, Validation
from repbench.datasets.deviations import deviations
from repbench.datasets.fetch.places import command_for, source_module, source_options
from repbench.datasets.frames import framed
from repbench.datasets.part import merged_of, part_of
from repbench.datasets.probe import Probe
from repbench.datasets.prompt_split import prompt_split
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError, DeviatingError, RepbenchError

NUMBERED = ("parquet", "webdataset", "huggingface")  # sources that may hold numbers of classes without their names
NAMELESS = "labels are numbers without names: taken in the declared order, which nothing confirms"


def open_dataset(
    declaration: DatasetDeclaration, data: Path | None = None, limit: int | None = None, *, deviating: bool = False
) -> Dataset:
    """The dataset of a declaration, from the first of its sources that is on this machine.

    `data` is the folder of the user's datasets. `limit` keeps that many examples of each split, the classes in turn, and at
    least one of each class. `deviating` lets copies in that are known to differ from the published data.
    Of a copy that merges train and validation, val is carved out of train, and the copy deviates.
    Raises DataError when no source is there (it says where was looked) or when what is there is not what was declared, and
    DeviatingError for a copy that is known to differ.
    """
    try:
        return _open_whole(declaration, data, limit, deviating=deviating)
    except DeviatingError:
        raise
    except DataError as error:
        merged = _open_merged(declaration, data, limit, deviating=deviating)
        if merged is None:
            raise error
        return merged


def _open_merged(declaration: DatasetDeclaration, data: Path | None, limit: int | None, *, deviating: bool) -> Dataset | None:
    """The dataset of a copy in which train holds more than declared and val is missing; None for any other copy."""
    merged = merged_of(declaration)
    if merged is None:
        return None
    for name, options in merged.sources.items():
        try:
            raw = _read_source(name, options, merged, data)
        except DataError:
            return None
        if isinstance(raw, RawDataset):
            if len(raw.splits["train"].ids) <= declaration.splits["train"]:
                return None  # val is only missing
            there, train, val = len(raw.splits["train"].ids), declaration.splits["train"], declaration.splits["val"]
            told = (
                f"the copy ({raw.place}) has no split 'val': its {there} examples of train hold it"
                f" (declared are {train} and {val})"
            )
            found = checked(replace(raw, deviations=(*raw.deviations, told)), merged, limit, deviating=deviating)
            return replace(found, declaration=declaration)
    return None


def _open_whole(declaration: DatasetDeclaration, data: Path | None, limit: int | None, *, deviating: bool) -> Dataset:
    """The dataset of a declaration, every split from its own. Raises as `open_dataset`."""
    absent: dict[str, Absent] = {}
    for name, options in declaration.sources.items():
        raw = _read_source(name, options, declaration, data)
        if isinstance(raw, RawDataset):
            return checked(raw, declaration, limit, deviating=deviating)
        absent[name] = raw
    raise DataError(_told_absent(absent, declaration))


def _told_absent(absent: Mapping[str, Absent], declaration: DatasetDeclaration) -> str:
    """That no source is here as a whole: what is missing of those that were begun, else where was looked."""
    if parts := [f"{name}: {one.begun} is there, {one.looked_for} is missing" for name, one in absent.items() if one.begun]:
        command = command_for(declaration)
        told = f"`{command}` goes on" if command else "Bring what is missing"
        return f"the dataset {declaration.name!r} is on this machine only in part ({'; '.join(parts)}). {told}."
    looked = "; ".join(f"{name}: {one.looked_for}{one.how_to_get and f' ({one.how_to_get})'}" for name, one in absent.items())
    return f"the dataset {declaration.name!r} is not on this machine. Looked for {looked}."


def open_splits(
    declaration: DatasetDeclaration,
    needed: Sequence[str],
    data: Path | None = None,
    limit: int | None = None,
    *,
    deviating: bool = False,
) -> Dataset:
    """The dataset of a declaration whole, or where that cannot be opened, with those of its splits alone that are needed.

    A copy that holds the test split only, as many that are shared for zero-shot do, answers what is asked of that split; the
    dataset's `source` says what was left out. Raises as `open_dataset` does of the whole.
    """
    try:
        return _open_whole(declaration, data, limit, deviating=deviating)
    except DeviatingError:
        raise
    except DataError:
        part = part_of(declaration, needed)
        try:
            found = _open_whole(part, data, limit, deviating=deviating) if part is not None else None
        except RepbenchError:
            found = None
    if part is None or found is None:
        return open_dataset(declaration, data, limit, deviating=deviating)
    without = ", ".join(name for name in declaration.splits if name not in part.splits)
    return replace(found, declaration=declaration, source=f"{found.source}; without the split {without}, which was not needed")


def check_sources(declaration: DatasetDeclaration) -> None:
    """Raise DeclarationError if a source or one of its options is unknown; nothing is read."""
    for name, options in declaration.sources.items():
        source_options(name, options, declaration)


def _read_source(
    name: str, options: Mapping[str, Any], declaration: DatasetDeclaration, data: Path | None
) -> RawDataset | Absent:
    given = source_options(name, options, declaration)
    try:
        raw: RawDataset | Absent = source_module(name).read(given, declaration, data)
    except RepbenchError:
        raise
    except Exception as error:  # damaged in a way that its reader did not foresee
        what = f"{type(error).__name__}: {error}"[:300]
        raise DataError(f"{declaration.name}: the copy that [sources.{name}] names cannot be read ({what}).") from error
    if isinstance(raw, Absent):
        return raw
    deviates = (str(options["deviates"]),) if "deviates" in options else ()
    is_told = bool(options.get("in_declared_order")) or not (name in NUMBERED and _is_nameless(raw, declaration))
    return replace(
        raw,
        place=raw.place if is_told else f"{raw.place}; {NAMELESS}",
        deviations=(*raw.deviations, *deviates),
        class_names=None if options.get("in_declared_order") else raw.class_names,
    )


def _is_nameless(raw: RawDataset, declaration: DatasetDeclaration) -> bool:
    """Whether a source numbers classes that are declared by name, and says nothing of what the numbers mean."""
    if isinstance(declaration.classes, int) or declaration.class_count == 1 or declaration.probe is not None:
        return False
    numbers = tuple(map(str, range(declaration.class_count)))
    is_numbered = all(np.issubdtype(split.label.dtype, np.integer) for split in raw.splits.values())
    return is_numbered and (raw.class_names is None or raw.class_names == numbers)


def checked(raw: RawDataset, declaration: DatasetDeclaration, limit: int | None, *, deviating: bool = False) -> Dataset:
    """The dataset of what a source gave. Raises DataError where that is not what was declared, DeviatingError where it is known
    to differ from it."""
    if declaration.frames is not None:
        rule = declaration.frames
        raw = replace(raw, splits={name: framed(split, rule) for name, split in raw.splits.items()})
    is_probe = declaration.probe is not None
    names, order = ((), np.zeros(0, int)) if is_probe else (class_names(raw, declaration), label_order(raw, declaration))
    differs = deviations(raw, declaration)
    if differs and not deviating:
        raise DeviatingError(
            f"{declaration.name}: {'; '.join(differs)}. To use this copy all the same, give --deviating: its rows are marked."
        )
    splits = {split: _split(split, raw.splits[split], names, order, declaration) for split in declaration.splits}
    source, carved = raw.place, ""
    if declaration.validation is not None:
        splits, carved = _with_validation(splits, declaration.validation)
        source += f"; {carved}" if carved else ""
    if limit is not None:
        splits = {name: _first(split, limit, declaration) for name, split in splits.items()}
    splits = {name: _with_cluster(split, declaration.cluster) for name, split in splits.items()}
    if declaration.probe is not None and declaration.probe.held_out:
        splits |= _with_held_out(splits["test"], declaration.probe, declaration.cluster)
    if declaration.prompts is not None:
        splits["prompts"] = prompt_split(declaration, names)
    if declaration.captions is not None:
        splits |= with_captions(splits["test"], declaration)
    return Dataset(declaration=declaration, splits=splits, source=source, deviations=differs, carved=carved)


def _first(split: Split, limit: int, declaration: DatasetDeclaration) -> Split:
    """At most `limit` examples, the classes in turn (or the subsets of a probe), and at least one of each."""
    turns = split.label
    if declaration.probe is not None and declaration.probe.subset:
        turns = np.unique(split.columns[declaration.probe.subset].astype(str), return_inverse=True)[1]
    kinds = len(split.class_names) or (len(np.unique(turns)) if declaration.probe is not None else 0)
    return split.take(first_by_class(turns, max(limit, kinds)))


def _with_cluster(split: Split, cluster: str) -> Split:
    """The split with a column of whole numbers, equal for equal images, where `cluster` is a column of images.

    Files are told apart by their names, so that none is read for it, and images inside a table by their content.
    """
    items = split.media.get(cluster)
    if items is None:
        return split
    first: dict[str, int] = {}
    places = [first.setdefault(one, len(first)) for one in (items.names if items.on_disk else items.keys)]
    return replace(split, columns={**split.columns, cluster: np.array(places, dtype=np.int64)})


def _with_held_out(test: Split, probe: Probe, cluster: str) -> dict[str, Split]:
    """The two parts of a probe's test split: whole clusters on which debiased scores are tuned, and the rest."""
    clusters = test.columns[cluster] if cluster else test.ids
    if len(np.unique(clusters.astype(str))) < 2:
        return {HELD_OUT: test.take(np.zeros(0, int), HELD_OUT), REST: test.take(np.arange(len(test)), REST)}
    rest, held = carve_clusters(clusters, probe.held_out, probe.seed)
    return {HELD_OUT: test.take(held, HELD_OUT), REST: test.take(rest, REST)}


def _with_validation(splits: dict[str, Split], rule: Validation) -> tuple[dict[str, Split], str]:
    """The splits with val carved out of train, and a note with the digest of its list where that is not the one that ships."""
    train = splits["train"]
    kept, held = carve_validation(train.label, rule.share, rule.seed, rule.per_class)
    note, listed = "", digest_of(held)
    if not rule.digest:
        note = f"val is carved out of train by seed {rule.seed} (digest of its list {listed})"
    elif listed != rule.digest:
        note = f"its train split has another order than that of the list that ships, so val is another (digest {listed})"
    return {**splits, "train": train.take(kept), "val": train.take(held, "val")}, note


def _split(name: str, raw: RawSplit, names: tuple[str, ...], order: np.ndarray, declaration: DatasetDeclaration) -> Split:
    """One split with labels in the declared order; `order` has the declared place of each class of the source."""
    if declaration.probe is not None:
        _check_columns(name, raw, declaration)
        label = np.zeros(len(raw.ids), dtype=np.int64)  # a probe has no classes
    elif declaration.is_multilabel or raw.label.ndim == 2:
        label = _memberships(name, raw.label, order, declaration)
    elif np.issubdtype(raw.label.dtype, np.integer):
        if len(raw.label) and (raw.label.min() < 0 or raw.label.max() >= len(order)):
            raise DataError(f"{declaration.name}: a label of {name!r} lies outside 0 to {len(order) - 1}.")
        label = order[raw.label.astype(np.int64)]
    else:
        label = places_of(raw.label.tolist(), names, declaration, name)
    columns = {**raw.columns, **_texts(raw)} if declaration.probe is not None else raw.columns
    return Split(name=name, ids=raw.ids, label=label, columns=columns, media=raw.media, class_names=names, frame=raw.frame)


def _texts(raw: RawSplit) -> dict[str, np.ndarray]:
    """The captions of a probe as columns, which blind baselines read."""
    texts = {name: items for name, items in raw.media.items() if items.modality == "text"}
    return {name: np.array([items.load(place) for place in range(len(items))], dtype=object) for name, items in texts.items()}


def _check_columns(name: str, raw: RawSplit, declaration: DatasetDeclaration) -> None:
    assert declaration.probe is not None
    wanted = (*declaration.probe.factors, *((declaration.cluster,) if declaration.cluster else ()))
    for column in wanted:
        if column not in raw.columns and column not in raw.media:
            raise DataError(
                f"{declaration.name}: the split {name!r} has no column {column!r}; there are {', '.join(sorted(raw.columns))}."
            )


def _memberships(name: str, label: np.ndarray, order: np.ndarray, declaration: DatasetDeclaration) -> np.ndarray:
    """Labels int8 (n, classes) of 1, -1, 0, with the declared rule for classes of which only difficult objects are there."""
    if not declaration.is_multilabel:
        raise DataError(
            f"{declaration.name}: the split {name!r} has several classes an example; its metric would be {ELEVEN_POINT!r}."
        )
    if label.ndim != 2 or label.shape[1] != len(order) or not np.isin(label, (-1, 0, 1)).all():
        raise DataError(
            f"{declaration.name}: the labels of {name!r} have shape {label.shape}; expected (n, {len(order)}) of 1, -1 and 0."
        )
    ruled = np.full((len(label), declaration.class_count), -1, dtype=np.int8)
    ruled[:, order] = np.where(label == 0, DIFFICULT[declaration.difficult], label)
    return ruled
