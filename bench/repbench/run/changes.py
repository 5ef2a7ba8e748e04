"""What the data of a folder of results were: data that have changed since are an error that names what changed.

Beside the records, in `.data/DATASET/SPLIT.parquet`, stand the id, label and content keys of every example. The store needs no
such memory: its embeddings are found by the content of their item alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repbench.datasets.dataset import Dataset, Split
from repbench.digests import digest_json
from repbench.errors import DataError, RecordError
from repbench.remote import send
from repbench.results.files import encoder_folder, write_table
from repbench.results.record import DONE, Inputs, Record

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FOLDER = ".data"
ABOUT = b"repbench"
DIGEST = "digest"  # of what else stands there: a byte that changed on the disk is no change of the data
SHORT = 16  # hexadecimal digits that are kept of a content key
WAYS = "Give --accept-changed-data to compute again what they change, or another --out to keep both."


def check_unchanged(results: Path, dataset: Dataset, splits: Sequence[str], inputs: Inputs, record: Record | None) -> None:
    """Raise DataError where a split is not what results in this folder were computed on, although its declaration is.

    A `record` of the task that was computed on other data is such a result, also where the memory of it is lost.
    """
    changed: list[str] = []
    for name in splits:
        before = _Memory.read(_path(results, dataset, name, inputs))
        if before is not None and before.declaration == dataset.declaration.digest:
            changed += [f"{name}: {what}" for what in before.differences(dataset.splits[name])]
    if not changed and record is not None and record.status == DONE and record.inputs.task_digest == inputs.task_digest:
        was, now = record.inputs.dataset_fingerprint, inputs.dataset_fingerprint
        if was != now:
            changed = [f"their fingerprint was {was} and is {now}"]
    if changed:
        raise DataError(f"the data of {dataset.name} are not those of the results in {results}: {'; '.join(changed)}. {WAYS}")


def remember(results: Path, dataset: Dataset, splits: Sequence[str], inputs: Inputs) -> None:
    """Write down what the splits are. Raises RecordError where that cannot be written."""
    for name in splits:
        path, split = _path(results, dataset, name, inputs), dataset.splits[name]
        before = _Memory.read(path)
        if before is None or (before.declaration, before.fingerprint) != (dataset.declaration.digest, split.fingerprint):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_table(path, _table(dataset, split))
                send(results, path)
            except OSError as error:
                raise RecordError(f"{path}: cannot be written ({error.strerror or error}).") from error


def _path(results: Path, dataset: Dataset, split: str, inputs: Inputs) -> Path:
    """Quick looks, deviating copies and the user's own prompts are data of their own."""
    limit = [] if inputs.limit is None else [f"limit={inputs.limit}"]
    prompts = [f"prompts={inputs.prompts}"] if inputs.prompts else []
    name = "+".join([encoder_folder(dataset.name), *limit, *prompts, *(["deviating"] if inputs.deviating else [])])
    return results / FOLDER / name / f"{encoder_folder(split)}.parquet"


class _Memory:
    """A split as it was."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path = path
        self.declaration, self.fingerprint = str(about["declaration"]), str(about["fingerprint"])
        self._classes = tuple(about["classes"])

    @classmethod
    def read(cls, path: Path) -> _Memory | None:
        """What stands at `path`; None where nothing stands, or nothing that can be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            about = json.loads((pq.read_schema(path).metadata or {})[ABOUT])
            if about.pop(DIGEST) != digest_json(about):
                return None
            return cls(path, about)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
            return None

    @cached_property
    def _examples(self) -> pd.DataFrame | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table: pd.DataFrame = pq.ParquetFile(self._path).read(use_threads=False).to_pandas()
            return table.set_index("id")
        except (OSError, ValueError, KeyError, pa.ArrowException):
            return None

    def differences(self, split: Split) -> list[str]:
        """In words what changed; nothing where nothing did."""
        if split.fingerprint == self.fingerprint:
            return []
        if self._classes != split.class_names:
            was, now = (sorted(set(one) - set(other)) for one, other in _both_ways(self._classes, split.class_names))
            return [f"the classes were {was or 'in another order'} and are {now or 'reordered'}"]
        before, after = self._examples, _examples(split)
        if before is None or set(before) != set(after):
            return [f"its fingerprint was {self.fingerprint} and is {split.fingerprint}"]
        found = [
            _counted(kind, sorted(set(one.index) - set(other.index)), len(one))
            for kind, (one, other) in zip(("are gone", "are new"), _both_ways(before, after), strict=True)
        ]
        both = after.index.intersection(before.index)
        if before.index.is_unique and after.index.is_unique:
            for column in after:
                other = before[column].reindex(both).to_numpy() != after[column].reindex(both).to_numpy()
                found.append(_counted(f"have another {column}", list(both[other]), len(after)))
        return [one for one in found if one] or ["its examples are in another order"]


def _both_ways(one: Any, other: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (one, other), (other, one)


def _counted(what: str, ids: Sequence[str], of: int) -> str:
    return f"{len(ids)} of {of} examples {what} (first: {ids[0]})" if ids else ""


def _examples(split: Split) -> pd.DataFrame:
    """A row an example, by its id: label, and of each medium the first half of its content key."""
    import pandas as pd

    keys = {
        column: np.array([int(key[:SHORT], 16) for key in items.keys], dtype=np.uint64) for column, items in split.media.items()
    }
    frames = {} if split.frame is None else {"moment": split.frame}
    labels = [str(label) for label in split.label.tolist()]
    return pd.DataFrame({"label": labels, **keys, **frames}, index=pd.Index([str(one) for one in split.ids], name="id"))


def _table(dataset: Dataset, split: Split) -> pa.Table:
    import pyarrow as pa

    about = {
        "declaration": dataset.declaration.digest,
        "fingerprint": split.fingerprint,
        "classes": list(split.class_names),
    }
    table = pa.Table.from_pandas(_examples(split).reset_index(), preserve_index=False)
    return table.replace_schema_metadata({ABOUT: json.dumps({**about, DIGEST: digest_json(about)})})
