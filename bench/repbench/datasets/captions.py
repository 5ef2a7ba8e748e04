"""The derived split "captions": one row a text about the images of test, for retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from repbench.datasets.dataset import Split
from repbench.datasets.declaration import PAIR, Captions, DatasetDeclaration
from repbench.datasets.items import text_items
from repbench.errors import DataError


def with_captions(test: Split, declaration: DatasetDeclaration) -> dict[str, Split]:
    """The split "test" with the column PAIR, by which images and texts belong together, and the split "captions".

    An image without a text is left out of neither: it is an error. Raises DataError, also for a missing column.
    """
    rule = declaration.captions
    assert rule is not None
    for column in (rule.column, *([rule.of] if rule.of else [])):
        if column not in test.columns:
            raise DataError(f"{declaration.name}: test has no column {column!r}; it has {', '.join(test.columns)}.")
    about = test.columns[rule.of].astype(str) if rule.of else test.ids.astype(str)
    _, firsts = np.unique(about, return_index=True)
    rows = [(int(place), text) for place in np.sort(firsts) for text in _texts(test.columns[rule.column][place], rule)]
    told = {place for place, _ in rows}
    silent = [str(test.ids[place]) for place in np.sort(firsts) if place not in told]
    if silent:
        raise DataError(f"{declaration.name}: {len(silent)} images of test have no caption; the first is {silent[0]}.")
    places = np.array([place for place, _ in rows], dtype=np.int64)
    texts = [text for _, text in rows]
    ids = [f"caption/{about[place]}/{number}" for place, number in zip(places.tolist(), _numbers(places), strict=True)]
    captions = Split(
        name="captions",
        ids=np.array(ids),
        label=test.label[places],
        columns={PAIR: about[places], "caption": np.array(texts)},
        media={"text": text_items(texts, ids)},
        class_names=test.class_names,
    )
    return {"test": replace(test, columns={**test.columns, PAIR: about}), "captions": captions}


def _texts(value: object, rule: Captions) -> list[str]:
    """The texts of one image as they are embedded: not empty, without the white space around them."""
    found: Sequence[object] = [value] if isinstance(value, str) else [] if value is None else list(value)  # type: ignore[call-overload]
    texts = [str(text).strip() for text in found if text is not None and str(text).strip()]
    return [rule.template.replace("{c}", text) for text in texts[: rule.most or None]]


def _numbers(places: np.ndarray) -> list[int]:
    """0, 1, 2, … within each run of equal places."""
    starts = np.concatenate([[True], places[1:] != places[:-1]])
    return (np.arange(len(places)) - np.maximum.accumulate(np.where(starts, np.arange(len(places)), 0))).tolist()  # type: ignore[no-any-return]
