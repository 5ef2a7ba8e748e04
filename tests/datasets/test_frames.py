"""Moments of sounds: which frames are examples, their labels, and that each is given its own vector of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repbench.datasets.declaration import DatasetDeclaration, FrameRule
from repbench.datasets.frames import framed
from repbench.datasets.items import EncodedItems
from repbench.datasets.open import open_dataset
from repbench.datasets.table import RawSplit
from repbench.embeddings.store import Address, Shelf
from repbench.errors import DataError
from repbench.tasks import load_catalogue


def sounds(*alignments: str) -> RawSplit:
    ids = np.array([f"s{place}" for place in range(len(alignments))])
    return RawSplit(
        ids=ids,
        label=np.array([f"speaker {place}" for place in range(len(alignments))]),
        columns={"phones": np.array(alignments, dtype=object)},
        media={"audio": EncodedItems("audio", ids.tolist(), [one.encode() for one in ids])},
    )


def test_a_frame_has_the_label_at_its_centre_and_none_lies_behind_the_end() -> None:
    found = framed(sounds("A A B B C", "", "D"), FrameRule(labels="phones", hop=0.02, count=4))
    assert found.ids.tolist() == ["s0@0.010", "s0@0.030"]  # the third would be centred at 50 ms, where the alignment ends
    assert found.label.tolist() == ["A", "B"]
    assert found.frame is not None
    assert found.frame.tolist() == [0, 1]


def test_a_hop_of_ten_milliseconds_gives_every_label_once() -> None:
    line = "A B C D E F G"
    found = framed(sounds(line), FrameRule(labels="phones", hop=0.01, count=5))
    assert found.label.tolist() == line.split()[:5]
    assert found.columns["moment"].tolist() == pytest.approx([0.005, 0.015, 0.025, 0.035, 0.045])


def test_thinning_counts_over_the_split_and_last_keeps_one_of_each_sound_with_its_own_label() -> None:
    split = sounds("A A A A A", "B B B B")
    thin = framed(split, FrameRule(labels="phones", hop=0.01, count=9, every=3))
    assert [str(one) for one in thin.ids] == ["s0@0.005", "s0@0.035", "s1@0.015"]
    last = framed(split, FrameRule(labels="phones", hop=0.01, count=9, which="last"))
    assert last.ids.tolist() == ["s0@0.045", "s1@0.035"]
    assert last.label.tolist() == ["speaker 0", "speaker 1"]


def test_frames_of_labels_that_are_left_out_are_no_examples() -> None:
    found = framed(sounds("A B A C"), FrameRule(labels="phones", hop=0.01, count=9, left_out=("B", "C")))
    assert found.ids.tolist() == ["s0@0.005", "s0@0.025"]


def test_frames_of_one_sound_share_its_content_key() -> None:
    found = framed(sounds("A A", "B B"), FrameRule(labels="phones", hop=0.01, count=2))
    keys = found.media["audio"].keys
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert found.media["audio"].take(np.array([3, 0])).keys == (keys[3], keys[0])


def test_a_split_without_alignments_is_an_error_that_names_the_column() -> None:
    with pytest.raises(DataError, match="no column 'words' of alignments; there are phones"):
        framed(sounds("A"), FrameRule(labels="words", hop=0.01, count=2))
    with pytest.raises(DataError, match="no sound has a label"):
        framed(sounds("", ""), FrameRule(labels="phones", hop=0.01, count=2))


def test_what_makes_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        FrameRule(labels="phones", hop=0.0, count=2)
    facts = {"family": "x", "title": "x", "metric": "accuracy", "classes": 2, "sources": {"folder": {}}, "name": "x"}
    rule = FrameRule(labels="phones", hop=0.01, count=2)
    with pytest.raises(ValueError, match="moments of sounds"):
        DatasetDeclaration(**facts, splits={"train": 1}, frames=rule)


def test_the_shelf_gives_each_example_the_vector_of_its_moment(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Address(tower="t", view="plain", precision="fp32"))
    keys = [f"{number:032x}" for number in range(3)]
    rows = np.arange(3 * 1 * 8, dtype=np.float32).reshape(3, 1, 8)  # four moments of two numbers
    shelf.add(keys[:2], rows[:2])
    shelf.add(keys[2:], rows[2:])
    found = shelf.frames([keys[2], keys[0], keys[2]], np.array([0, 3, 1]), 4)
    assert found.tolist() == [[16, 17], [6, 7], [18, 19]]


def test_phones_of_the_voices_are_one_speakers_and_no_message_is_in_two_splits() -> None:
    dataset = open_dataset(load_catalogue().dataset("phones"))
    assert {str(speaker) for split in dataset for speaker in split.columns["speaker"]} == {"allison"}
    told = {split.name: {str(message) for message in split.columns["message"]} for split in dataset}
    assert not told["train"] & told["test"]
    assert not told["val"] & told["test"]
    seconds = dict(zip(dataset.splits["test"].columns["sound"], dataset.splits["test"].columns["seconds"], strict=True))
    assert len(dataset.splits["test"]) == sum(int(100 * one) // 2 for one in seconds.values())  # 50 a second
