"""From the store to a protocol: the embeddings of a task's needs, with labels, checked for what no protocol can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from repbench.datasets.check import DERIVED
from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import AnyNeed, Need, PairScores, TextJudges
from repbench.embeddings.pairs import column_items, pair_key
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.views import view_size
from repbench.errors import EmbeddingError, ProtocolError
from repbench.measure.finite import finite_rows
from repbench.run.plan import Job
from repbench.run.trainable import ToTrain

# what judges of text make of a split with such groups (n,): rule -> scores (n, captions), and rule -> why there are none
Ask = Callable[[TextJudges, Split, np.ndarray], tuple[dict[str, np.ndarray], dict[str, str]]]


def gather(
    job: Job,
    shelves: Mapping[Address, Shelf],
    skipped: Mapping[str, str],
    ask: Ask,
    training: ToTrain | None = None,
    device: str = "cpu",
) -> tuple[Embeddings, dict[str, str]]:
    """What the protocol of a job is given, and the examples left out because their item could not be read (id -> reason).

    `ask` answers needs of TextJudges. Raises EmbeddingError for embeddings that are not finite and ProtocolError for a split
    that is empty.
    """
    assert job.dataset is not None
    declaration = job.dataset.declaration
    tuning: list[TuningSplit] = []
    test: list[TestSplit] = []
    left_out = _left_out(job, skipped)
    works = dict(job.all_works)
    judged: tuple[dict[str, np.ndarray], dict[str, str]] = ({}, {})
    for need in job.task.needs:
        whole = _joined(need, job.dataset)
        kept = _kept(whole, left_out, need)
        split = whole if np.array_equal(kept, np.arange(len(whole))) else whole.take(kept)
        clusters = split.columns[declaration.cluster].astype(str) if declaration.cluster in split.columns else None
        if isinstance(need, TextJudges):
            judged = ask(need, split, split.ids if clusters is None else clusters)
            continue
        if isinstance(need, Need):
            x = _rows(need, split, shelves[works[need].address], declaration)
        elif isinstance(need, PairScores):
            x = _scores(need, split, shelves[works[need].address])
        else:
            assert training is not None
            x = training.rows[need][kept]
        _check_finite(x, split, need)
        given: dict[str, Any] = {"x": x, "ids": split.ids, "columns": split.columns, "class_names": split.class_names}
        if need.tuning:
            tuning.append(TuningSplit(label=split.label, **given))
        else:
            test.append(TestSplit(truth=split.label, clusters=clusters, **given))
    got = Embeddings(
        tuning=tuple(tuning),
        test=tuple(test),
        metric=declaration.metric,
        factors=declaration.factors,
        probe=declaration.probe,
        deviates=bool(job.dataset.deviations),
        reported=tuple(dict.fromkeys(name for need in job.task.needs if not need.tuning for name in need.splits)),
        model=training.model if training is not None else None,
        factor=declaration.factor,
        judged=judged[0],
        not_asked=judged[1],
        logit=job.logit,
        device=device,
    )
    return got, left_out


def _kept(split: Split, left_out: Mapping[str, str], need: AnyNeed) -> np.ndarray:
    """The places of the examples that can be used, int64 (m,).

    Those to tune on come in the order of their ids, so that the order of a copy decides no tie, no draw and no rounding.
    """
    kept = np.array([place for place, one in enumerate(split.ids) if str(one) not in left_out], dtype=np.int64)
    if not len(kept):
        raise ProtocolError(f"{need.dataset}: the split {need.split!r} has no example that can be used.")
    if need.tuning and not set(need.splits) & set(DERIVED):
        return kept[np.argsort(split.ids[kept].astype(str), kind="stable")]
    return kept


def _rows(need: Need, split: Split, shelf: Shelf, declaration: DatasetDeclaration) -> np.ndarray:
    """Embeddings (n, dim), or (n, views, dim) of a view of several crops; of moments of sounds each its own."""
    keys = split.media[need.column].keys
    if split.frame is None or declaration.frames is None:
        x = shelf.rows(keys)
        return x[:, 0] if view_size(need.view) == 1 else x
    return shelf.frames(list(keys), split.frame, declaration.frames.count)


def _scores(need: PairScores, split: Split, shelf: Shelf) -> np.ndarray:
    """Scores float32 (n, pairs)."""
    columns = []
    for image, text in need.pairs:
        keys = zip(column_items(split, image).keys, column_items(split, text).keys, strict=True)
        columns.append(shelf.rows([pair_key(*pair) for pair in keys])[:, 0, 0])
    return np.stack(columns, axis=1)


def _left_out(job: Job, skipped: Mapping[str, str]) -> dict[str, str]:
    """The examples of which some medium that is needed could not be read (id -> reason): they are left out of every column."""
    found: dict[str, str] = {}
    if not skipped or job.dataset is None:
        return found
    for need in job.task.needs:
        for name, column in ((name, column) for name in need.splits for column in need.columns):
            split = job.dataset.splits[name]
            pairs = zip(split.ids, split.media[column].keys, strict=True)
            found |= {str(one): skipped[key] for one, key in pairs if key in skipped}
    return found


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


def _check_finite(x: np.ndarray, split: Split, need: AnyNeed) -> None:
    bad = np.flatnonzero(~finite_rows(x))
    if len(bad):
        raise EmbeddingError(
            f"{'scores' if isinstance(need, PairScores) else 'embeddings'} are NaN or infinite for {len(bad)} of {len(x)} items"
            f" of {need.dataset}/{need.split}"
            f" (the first is {split.ids[bad[0]]})."
        )
