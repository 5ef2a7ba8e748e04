"""Datasets whose examples are moments of sounds: one row a frame, labelled from an alignment of the whole sound.

A source gives sounds, each with its alignment: a text of labels separated by spaces, one every `step` seconds from the sound's
beginning. Of each sound `count` frames are asked for, `hop` seconds apart, the first centred at hop / 2; a frame has the label
at its centre, and one behind the end of the alignment is no example.
"""

from __future__ import annotations

import numpy as np

from repbench.datasets.declaration import LAST, FrameRule
from repbench.datasets.table import RawSplit
from repbench.errors import DataError


def framed(raw: RawSplit, rule: FrameRule) -> RawSplit:
    """The split with one row a frame: n sounds become m examples. Raises DataError for a split without alignments."""
    if rule.labels not in raw.columns:
        raise DataError(f"there is no column {rule.labels!r} of alignments; there are {', '.join(raw.columns) or 'none'}.")
    spoken = [str(text).split() for text in raw.columns[rule.labels]]
    places, frame = _rows(spoken, rule)
    if not len(places):
        raise DataError(f"no sound has a label in the column {rule.labels!r}.")
    centres = np.array(rule.grid.centres)[frame]
    moments = _label_places(rule)[frame]
    label = raw.label[places] if rule.which == LAST else np.array([spoken[i][j] for i, j in zip(places, moments, strict=True)])
    columns = {name: values[places] for name, values in raw.columns.items() if name != rule.labels}
    return RawSplit(
        ids=np.array([f"{one}@{centre:.3f}" for one, centre in zip(raw.ids[places], centres, strict=True)]),
        label=label,
        columns={**columns, "sound": raw.ids[places].astype(str), "moment": np.round(centres, 6)},
        media={name: items.take(places) for name, items in raw.media.items()},
        frame=frame,
    )


def _rows(spoken: list[list[str]], rule: FrameRule) -> tuple[np.ndarray, np.ndarray]:
    """Sound and frame of every example, int (m,) each."""
    labelled = [_labelled(labels, rule) for labels in spoken]
    if rule.which == LAST:
        kept = [frames[-1:] for frames in labelled]
    else:
        before = np.cumsum([0, *map(len, labelled)])
        kept = [frames[(-start) % rule.every :: rule.every] for frames, start in zip(labelled, before[:-1], strict=True)]
    places = np.repeat(np.arange(len(spoken)), [len(frames) for frames in kept])
    return places, np.concatenate([np.zeros(0, dtype=np.int64), *kept])


def _labelled(labels: list[str], rule: FrameRule) -> np.ndarray:
    """The frames of the grid that one alignment labels, without those whose label makes no example."""
    moments = _label_places(rule)
    within = np.flatnonzero(moments < len(labels))
    return np.array([frame for frame in within if labels[moments[frame]] not in rule.left_out], dtype=np.int64)


def _label_places(rule: FrameRule) -> np.ndarray:
    """For each frame of the grid the place of its label in an alignment; a centre on an edge belongs to what begins there."""
    return np.floor(np.array(rule.grid.centres) / rule.step + 1e-9).astype(np.int64)
