"""A tiny copy of LibriSpeech with the lists of CPC's authors, in their exact layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from repbench.datasets.dataset import Dataset
from repbench.datasets.fetch.places import is_here
from repbench.datasets.open import open_dataset
from repbench.errors import DataError, DeclarationError
from repbench.tasks import load_catalogue

CATALOGUE = load_catalogue()
SPEAKERS = ("103", "1034", "1040")


def phones(utterance: str, length: int = 450) -> list[int]:
    return [(int(utterance[-4:]) + place // 10) % 41 for place in range(length)]


def write(folder: Path) -> dict[str, list[str]]:
    """Four utterances a speaker in train and two in test; the first of train is shorter than four seconds."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    lines = []
    for speaker in SPEAKERS:
        for number in range(6):
            name = f"{speaker}-1240-{number:04d}"
            lists["train" if number < 4 else "test"].append(name)
            path = folder / "LibriSpeech" / "train-clean-100" / speaker / "1240" / f"{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.full(800, (number + 1) / 10), 16000)
            lines.append(" ".join([name, *map(str, phones(name, 200 if number == 0 else 450))]))
    labels = folder / "LibriSpeech100_labels_split"
    labels.mkdir()
    (labels / "converted_aligned_phones.txt").write_text("\n".join(lines) + "\n")
    for split, names in lists.items():
        (labels / f"{split}_split.txt").write_text("\n".join(reversed(names)) + "\n")
    return lists


def opened(kind: str, data: Path, utterances: dict[str, int], **changed: Any) -> Dataset:
    declared = CATALOGUE.datasets[f"librispeech-{kind}"]
    source = {**declared.sources["librispeech"], "utterances": utterances}
    return open_dataset(replace(declared, sources={"librispeech": source}, **changed), data)


def test_phones_are_labelled_every_twenty_milliseconds_from_the_alignment(tmp_path: Path) -> None:
    lists = write(tmp_path)
    sizes = {"train": 6, "val": 3, "test": 3}
    dataset = opened("phones", tmp_path, sizes, splits={split: 200 * count for split, count in sizes.items()})
    sounds = {split: set(found.columns["sound"].tolist()) for split, found in dataset.splits.items()}
    assert sounds["train"] | sounds["val"] == {name for name in lists["train"] if not name.endswith("0000")}
    assert sounds["train"].isdisjoint(sounds["val"])
    assert sounds["test"] < set(lists["test"])
    assert {name.split("-")[0] for name in sounds["test"]} == set(SPEAKERS)  # in turn
    test = dataset.splits["test"]
    moments = np.floor(test.columns["moment"] / 0.01 + 1e-9).astype(int)
    told = [phones(str(sound))[moment] for sound, moment in zip(test.columns["sound"], moments, strict=True)]
    assert test.label.tolist() == told
    assert len(test.class_names) == 41
    number = int(str(test.columns["sound"][0])[-1])
    assert np.allclose(test.media["audio"].load(0).samples, (number + 1) / 10, atol=1e-4)


def test_a_speaker_is_asked_for_once_an_utterance_at_the_end_of_the_window(tmp_path: Path) -> None:
    write(tmp_path)
    sizes = {"train": 9, "val": 3, "test": 6}
    dataset = opened("speakers", tmp_path, sizes, classes=3, splits=sizes)
    test = dataset.splits["test"]
    assert [test.class_names[one] for one in test.label] == [str(name).split("-")[0] for name in test.ids]
    assert set(test.columns["moment"].tolist()) == {1.27}


def test_lists_that_disagree_are_told(tmp_path: Path) -> None:
    write(tmp_path)
    labels = tmp_path / "LibriSpeech100_labels_split"
    sizes = {"train": 9, "val": 3, "test": 7}
    with pytest.raises(DataError, match=r"test_split.txt: 6 utterances last 1.28 s; the splits take 7"):
        opened("speakers", tmp_path, sizes, classes=3, splits=sizes)
    (labels / "test_split.txt").write_text("103-1240-0009\n")
    with pytest.raises(DataError, match=r"'103-1240-0009' and 0 more of its utterances are not in converted_aligned"):
        opened("speakers", tmp_path, sizes, classes=3, splits=sizes)
    (labels / "converted_aligned_phones.txt").write_text("../../etc/passwd 0 1 2\n")
    with pytest.raises(DataError, match="is no utterance"):
        opened("speakers", tmp_path, sizes, classes=3, splits=sizes)
    with pytest.raises(DeclarationError, match="utterances has the split 'dev'"):
        opened("speakers", tmp_path, {"dev": 3}, classes=3, splits=sizes)


def test_what_is_not_here_is_left_out_of_patterns_and_says_where_it_comes_from(tmp_path: Path) -> None:
    for kind in ("phones", "speakers"):
        assert not is_here(CATALOGUE.datasets[f"librispeech-{kind}"], tmp_path)
        with pytest.raises(DataError, match=r"train-clean-100.*openslr.org/12"):
            open_dataset(CATALOGUE.datasets[f"librispeech-{kind}"], tmp_path)
