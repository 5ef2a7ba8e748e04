"""What holds for every dataset that ships: it opens as declared, its splits share no item, its licence travels with it.

A failure here says what to do next: mend the declaration in `tasks/`, or rebuild the pack with `python packs/build.py NAME`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from repbench.datasets.fetch.places import FETCHABLE
from repbench.datasets.open import check_sources, open_dataset
from repbench.datasets.sources.pack import pack_about, pack_path
from repbench.tasks import load_catalogue

CATALOGUE = load_catalogue()
PACKED = {name: str(one.sources["pack"]["name"]) for name, one in CATALOGUE.datasets.items() if "pack" in one.sources}
EMBEDDED = {name: CATALOGUE.datasets[name] for name, pack in PACKED.items() if pack not in FETCHABLE}
PACKS = sorted({PACKED[name] for name in EMBEDDED})
CLASSIFIED = [name for name, one in EMBEDDED.items() if one.probe is None]


@pytest.mark.parametrize("name", CATALOGUE.datasets)
def test_its_sources_are_known(name: str) -> None:
    check_sources(CATALOGUE.datasets[name])


@pytest.mark.parametrize("name", CLASSIFIED)
def test_it_opens_with_every_class_in_train_and_test(name: str) -> None:
    dataset = open_dataset(EMBEDDED[name])
    for split in ("train", "test"):
        counts = np.bincount(dataset.splits[split].label, minlength=EMBEDDED[name].class_count)
        assert counts.min() > 0, f"{name}/{split}: no example of {np.flatnonzero(counts == 0).tolist()}"
    for factor in EMBEDDED[name].factors:
        assert factor in dataset.splits["test"].columns


@pytest.mark.parametrize("name", CLASSIFIED)
def test_its_splits_share_no_item(name: str) -> None:
    dataset = open_dataset(EMBEDDED[name])
    column = EMBEDDED[name].medium
    keys = {split: set(dataset.splits[split].media[column].keys) for split in ("train", "val", "test")}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert keys[one].isdisjoint(keys[other]), f"{name}: {one} and {other} share items"


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_first_and_last_items_decode(name: str) -> None:
    items = open_dataset(EMBEDDED[name]).splits["test"].media[EMBEDDED[name].medium]
    for place in (0, len(items) - 1):
        item = items.load(place)
        assert item.samples.std() > 0 if items.modality == "audio" else np.asarray(item).std() > 0


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_carries_licence_authors_derivation_and_the_meaning_of_its_columns(name: str) -> None:
    about = pack_about(name)
    assert about["derivation"]
    assert about["sources"]
    assert all(source["licence"] and source["authors"] and source["package"] for source in about["sources"])
    assert set(about["columns"]) == set(pq.read_schema(pack_path(name)).names)
    assert json.dumps(about)


def test_unknown_objects_stay_unknown() -> None:
    dataset = open_dataset(EMBEDDED["furniture"])
    instances = {split: set(dataset.splits[split].columns["instance"]) for split in ("train", "val", "test")}
    assert instances["test"].isdisjoint(instances["train"] | instances["val"])


def test_all_packs_together_are_at_most_25_megabytes() -> None:
    assert sum(pack_path(name).stat().st_size for name in PACKS) <= 25_000_000


def test_every_embedded_pack_is_named_in_the_licences() -> None:
    text = (Path(pack_path(PACKS[0])).parent / "LICENCES.md").read_text()
    assert all(f"## {name}" in text for name in PACKS)
