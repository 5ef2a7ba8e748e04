"""From the store to a protocol: the embeddings of a task's needs, with labels, checked for what no protocol can use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import AnyNeed, Need
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.views import view_size
from repbench.errors import EmbeddingError, ProtocolError
from repbench.run.plan import Job
from repbench.run.trainable import ToTrain


def gather(
    job: Job, shelves: Mapping[Address, Shelf], skipped: Mapping[str, str], training: ToTrain | None = None
) -> tuple[Embeddings, dict[str, str]]:
    """What the protocol of a job is given, and the examples left out because their item could not be read (id -> reason).

    Raises EmbeddingError for embeddings that are not finite and ProtocolError for a split that is empty.
    """
    assert job.dataset is not None
    declaration = job.dataset.declaration
    tuning: list[TuningSplit] = []
    test: list[TestSplit] = []
    left_out = _left_out(job, skipped)
    works = dict(job.works)
    for need in job.task.needs:
        split = _joined(need, job.dataset)
        keys = split.media[need.column].keys
        kept = np.array([place for place, one in enumerate(split.ids) if str(one) not in left_out], dtype=np.int64)
        if not len(kept):
            raise ProtocolError(f"{job.dataset.name}: the split {need.split!r} has no example that can be used.")
        split = split.take(kept) if len(kept) < len(keys) else split
        if isinstance(need, Need):
            x = _rows(shelves[works[need].address], [keys[place] for place in kept], split, need, declaration)
            _check_finite(x, split, need)
        else:
            assert training is not None
            x = training.rows[need][kept]
        if need.tuning:
            tuning.append(
                TuningSplit(x=x, ids=split.ids, columns=split.columns, class_names=split.class_names, label=split.label)
            )
        else:
            clusters = split.columns[declaration.cluster].astype(str) if declaration.cluster in split.columns else None
            test.append(
                TestSplit(
                    x=x,
                    ids=split.ids,
                    columns=split.columns,
                    class_names=split.class_names,
                    truth=split.label,
                    clusters=clusters,
                )
            )
    got = Embeddings(
        tuning=tuple(tuning),
        test=tuple(test),
        metric=declaration.metric,
        factors=declaration.factors,
        probe=declaration.probe,
        model=training.model if training is not None else None,
        factor=declaration.factor,
    )
    return got, left_out


def _left_out(job: Job, skipped: Mapping[str, str]) -> dict[str, str]:
    """The examples of which some medium that is needed could not be read (id -> reason): they are left out of every column."""
    found: dict[str, str] = {}
    if not skipped or job.dataset is None:
        return found
    for need in job.task.needs:
        for name in need.splits:
            split = job.dataset.splits[name]
            pairs = zip(split.ids, split.media[need.column].keys, strict=True)
            found |= {str(one): skipped[key] for one, key in pairs if key in skipped}
    return found


def _rows(shelf: Shelf, keys: list[str], split: Split, need: Need, declaration: DatasetDeclaration) -> np.ndarray:
    """Embeddings (n, dim), or (n, views, dim) of a view of several crops; of moments of sounds each its own."""
    if split.frame is None or declaration.frames is None:
        x = shelf.rows(keys)
        return x[:, 0] if view_size(need.view) == 1 else x
    return shelf.frames(keys, split.frame, declaration.frames.count)


def _joined(need: AnyNeed, dataset: Dataset) -> Split:
    first, *others = (dataset.splits[name] for name in need.splits)
    for other in others:
        first = _append(first, other, need.split)
    return first


def _append(first: Split, other: Split, name: str) -> Split:
    from repbench.datasets.items import Joined

    shared = [column for column in first.columns if column in other.columns]
    return Split(
        name=name,
        ids=np.concatenate([first.ids, other.ids]),
        label=np.concatenate([first.label, other.label]),
        columns={column: np.concatenate([first.columns[column], other.columns[column]]) for column in shared},
        media={column: Joined(first.media[column], other.media[column]) for column in first.media},
        frame=None if first.frame is None or other.frame is None else np.concatenate([first.frame, other.frame]),
        class_names=first.class_names,
    )


def _check_finite(x: np.ndarray, split: Split, need: Need) -> None:
    bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
    if len(bad):
        raise EmbeddingError(
            f"embeddings are NaN or infinite for {len(bad)} of {len(x)} items of {need.dataset}/{need.split}"
            f" (the first is {split.ids[bad[0]]})."
        )
