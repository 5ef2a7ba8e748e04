"""LibriSpeech by the protocol of CPC (Oord et al. 2018, section 3.1): train-clean-100, 251 speakers, 41 phones every 10 ms.

Below the folder of `--data`: `LibriSpeech/train-clean-100/SPEAKER/CHAPTER/UTTERANCE.flac`, and the lists that the authors gave
out, `LibriSpeech100_labels_split/` with `train_split.txt`, `test_split.txt` (an utterance a line) and
`converted_aligned_phones.txt` (an utterance and its phones by number, a line), as facebookresearch/CPC_audio reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repbench.datasets.carve import first_by_class
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.factored.drawing import SEED
from repbench.datasets.fetch.places import data_folder
from repbench.datasets.inside import check_inside
from repbench.datasets.items import FileItems
from repbench.datasets.layouts.listing import lines_of
from repbench.datasets.table import Absent, RawDataset, RawSplit
from repbench.errors import DataError

SOUNDS = "LibriSpeech/train-clean-100"
LABELS = "LibriSpeech100_labels_split"
PHONES = "converted_aligned_phones.txt"
LISTS = {"train": "train_split.txt", "val": "train_split.txt", "test": "test_split.txt"}  # validation is drawn from train
STEP = 0.01  # seconds a label


@dataclass(frozen=True, kw_only=True)
class LibriSpeech:
    """Options of `[sources.librispeech]`: how many `utterances` of each split are drawn, of the speakers in turn.

    Utterances with an alignment of less than `seconds` take no part. `get` says in words where the data come from.
    """

    utterances: Mapping[str, int]
    seconds: float = 0.0
    get: str = ""

    def __post_init__(self) -> None:
        if unknown := [split for split in self.utterances if split not in LISTS]:
            raise ValueError(f"utterances has the split {unknown[0]!r}; expected {', '.join(LISTS)}.")


def find(options: LibriSpeech, declaration: DatasetDeclaration, data: Path | None) -> Path | Absent:
    """The folder above the sounds and the lists, or what is missing of it."""
    folder = data_folder(data)
    for needed in (folder / SOUNDS, folder / LABELS / PHONES):
        if not needed.exists():
            return Absent(looked_for=needed, how_to_get=options.get)
    return folder


def read(options: LibriSpeech, declaration: DatasetDeclaration, data: Path | None) -> RawDataset | Absent:
    """The drawn utterances of each split, by speaker, with their alignment. Raises DataError for lists that disagree."""
    folder = find(options, declaration, data)
    if isinstance(folder, Absent):
        return folder
    labels = folder / LABELS
    phones = _alignments(labels / PHONES)
    splits = {}
    for listing in dict.fromkeys(LISTS.values()):
        own = {split: count for split, count in options.utterances.items() if LISTS[split] == listing}
        for split, names in _drawn(labels / listing, phones, own, options.seconds).items():
            splits[split] = _split(folder / SOUNDS, names, phones, declaration.medium)
    return RawDataset(splits=splits, class_names=None, place=f"folder {folder}", folder=folder)


def _alignments(path: Path) -> dict[str, str]:
    """Utterance -> its phones, numbers separated by spaces."""
    found = dict(line.partition(" ")[::2] for line in lines_of(path))
    if bad := [name for name, phones in found.items() if not phones.replace(" ", "").isdigit() or name.count("-") != 2]:
        raise DataError(f"{path}: the line of {bad[0][:40]!r} is no utterance (SPEAKER-CHAPTER-NUMBER) with phones by number.")
    return found


def _drawn(path: Path, phones: Mapping[str, str], sizes: Mapping[str, int], seconds: float) -> dict[str, list[str]]:
    """So many utterances of each split, ascending and disjoint, the speakers in turn. Raises DataError if there are too few."""
    listed = sorted(lines_of(path))
    if missing := [name for name in listed if name not in phones]:
        raise DataError(f"{path}: {missing[0]!r} and {len(missing) - 1} more of its utterances are not in {PHONES}.")
    long = [name for name in listed if STEP * len(phones[name].split()) >= seconds - 1e-9]
    if len(long) < sum(sizes.values()):
        raise DataError(f"{path}: {len(long)} utterances last {seconds:g} s; the splits take {sum(sizes.values())} of them.")
    order = np.random.Generator(np.random.PCG64(SEED)).permutation(len(long))
    rest = [long[place] for place in order]
    found = {}
    for split, size in sizes.items():
        _, speaker = np.unique([name.split("-")[0] for name in rest], return_inverse=True)
        taken = set(first_by_class(speaker, size).tolist())
        found[split] = sorted(rest[place] for place in taken)
        rest = [name for place, name in enumerate(rest) if place not in taken]
    return found


def _split(folder: Path, names: list[str], phones: Mapping[str, str], column: str) -> RawSplit:
    parts = [name.split("-") for name in names]
    paths = [folder / speaker / chapter / f"{name}.flac" for name, (speaker, chapter, _) in zip(names, parts, strict=True)]
    check_inside(paths, folder)
    return RawSplit(
        ids=np.array(names),
        label=np.array([speaker for speaker, _, _ in parts]),
        columns={"phones": np.array([phones[name] for name in names], dtype=object)},
        media={column: FileItems("audio", paths)},
    )
