"""Copies of which only a part is here: a fetch goes on until they are whole, and nothing takes them for whole before."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pytest
import torchvision.datasets
import torchvision.datasets.utils

from repbench.datasets.declaration import Content, DatasetDeclaration
from repbench.datasets.fetch.places import begun_folder, is_here, places
from repbench.datasets.fetch.published import data_lines, fetch_published
from repbench.datasets.open import open_dataset
from repbench.datasets.shards import missing_shard
from repbench.errors import DataError
from repbench.tasks import load_catalogue
from tests.datasets import layout_copies
from tests.datasets.copies import WRITERS

CATALOGUE = load_catalogue()
LABELS = [0, 1, 2]


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("REPBENCH_DATA", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def small(name: str, *sources: str) -> DatasetDeclaration:
    """A declaration of three images a split, in the sources named (default: all), without what is checked of their bytes."""
    real = CATALOGUE.dataset(name)
    kept = {source: real.sources[source] for source in sources or real.sources}
    classes = real.classes if name == "voc2007" else real.classes[:3]  # type: ignore[index]
    splits = dict.fromkeys(real.splits, 3)
    return replace(real, splits=splits, classes=classes, sources=kept, validation=None, content=Content())


def write(name: str, root: Path, *splits: str) -> None:
    """A copy in torchvision's layout, of some splits."""
    layout_copies.LAYOUTS[name](root, small(name).classes, dict.fromkeys(splits or small(name).splits, LABELS))


class Downloads:
    """What stands for torchvision's classes: they note their folder, write a copy into it, and may be cut off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, write_step: Callable[[str, Path, dict[str, Any]], None]) -> None:
        self.calls: list[str] = []
        self.cut: set[str] = set()
        self._write = write_step
        for name in ("SUN397", "VOCDetection", "Food101", "FGVCAircraft"):
            monkeypatch.setattr(torchvision.datasets, name, self._class(name))
        monkeypatch.setattr(torchvision.datasets.utils, "download_and_extract_archive", self._lists)

    def _class(self, name: str) -> Callable[..., None]:
        def download(root: str, **told: Any) -> None:
            self.take(f"{name} {told.get('image_set', '')}".strip(), Path(root), told)

        return download

    def _lists(self, address: str, download_root: str, extract_root: str) -> None:
        self.take(address.rpartition("/")[2], Path(extract_root), {})

    def take(self, what: str, root: Path, told: dict[str, Any]) -> None:
        self.calls.append(what)
        if what in self.cut:
            raise OSError("timed out")
        self._write(what, root, told)


def write_sun397(what: str, root: Path, told: dict[str, Any]) -> None:
    """The pictures without the lists, or the lists alone, as the two downloads have them."""
    if what == "SUN397":
        write("sun397", root)
        for path in (root / "SUN397").glob("*ing_01.txt"):
            path.unlink()
        return
    write("sun397", root / "whole")
    for path in (root / "whole/SUN397").glob("*ing_01.txt"):
        path.rename(root / path.name)
    shutil.rmtree(root / "whole")


def test_lists_of_sun397_that_timed_out_are_asked_for_again_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, declared, said = Downloads(monkeypatch, write_sun397), small("sun397", "torchvision", "huggingface"), []
    fake.cut = {"Partitions.zip"}
    with pytest.raises(DataError, match=r"timed out.*`repbench data fetch sun397` goes on; what has arrived whole is kept"):
        fetch_published(declared, tmp_path, said.append)
    assert not is_here(declared, tmp_path)
    with pytest.raises(DataError, match=r"'sun397' is on this machine only in part.*`repbench data fetch sun397` goes on"):
        open_dataset(declared, tmp_path)
    assert "in part" in data_lines([declared], tmp_path)[0]
    fake.cut = set()
    fetch_published(declared, tmp_path, said.append)
    assert fake.calls == ["SUN397", "Partitions.zip", "Partitions.zip"]
    assert len(open_dataset(declared, tmp_path).splits["test"]) == 3
    assert not (tmp_path / ".fetching").exists()
    fetch_published(declared, tmp_path, said.append)
    assert "sun397 is here already" in said[-1]
    assert len(fake.calls) == 3


def test_a_folder_of_sun397_that_another_program_left_without_lists_needs_only_those(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, declared = Downloads(monkeypatch, write_sun397), small("sun397", "torchvision", "huggingface")
    write_sun397("SUN397", tmp_path, {})
    with pytest.raises(DataError, match=r"SUN397 is there, .*Training_01.txt is missing\). `repbench data fetch sun397` goes"):
        open_dataset(declared, tmp_path)
    fake.cut = {"Partitions.zip"}
    for _ in range(2):
        with pytest.raises(DataError, match="timed out"):
            fetch_published(declared, tmp_path, print)
    fake.cut = set()
    fetch_published(declared, tmp_path, print)
    assert fake.calls == ["Partitions.zip"] * 3
    assert len(open_dataset(declared, tmp_path).splits["train"]) == 3


def write_voc(what: str, root: Path, told: dict[str, Any]) -> None:
    write("voc2007", root, *(("test",) if told["image_set"] == "test" else ("train", "val")))


def test_a_voc_of_trainval_alone_gets_its_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, declared = Downloads(monkeypatch, write_voc), small("voc2007", "torchvision", "huggingface")
    write("voc2007", tmp_path, "train", "val")
    with pytest.raises(DataError, match=r"ImageSets/Main/test.txt is missing"):
        open_dataset(declared, tmp_path)
    fetch_published(declared, tmp_path, print)
    assert fake.calls == ["VOCDetection test"]
    dataset = open_dataset(declared, tmp_path)
    assert {len(split.media["image"].load(0).getbands()) for split in dataset if "image" in split.media} == {3}


def test_a_food101_of_lists_alone_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Downloads(monkeypatch, lambda what, root, told: write("food101", root))
    declared = small("food101", "torchvision", "huggingface")
    write("food101", tmp_path)
    shutil.rmtree(tmp_path / "food-101/images")
    assert not any(places(declared, tmp_path).values())
    with pytest.raises(DataError, match=r"food-101 is there, .*food-101/images is missing"):
        open_dataset(declared, tmp_path)
    fetch_published(declared, tmp_path, print)
    assert fake.calls == ["Food101"]
    open_dataset(declared, tmp_path).splits["test"].media["image"].load(2)


def test_an_archive_that_lies_there_is_not_asked_for_again_and_a_half_unpacked_folder_is_unpacked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[list[str]] = []

    def note(what: str, root: Path, told: dict[str, Any]) -> None:
        found.append(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()))
        (root / "food-101/images").mkdir(parents=True)
        (root / "food-101/images/half.jpg").write_bytes(b"half")
        if len(found) == 1:
            raise OSError("no space left on device")
        shutil.rmtree(root / "food-101")
        write("food101", root)

    Downloads(monkeypatch, note)
    (tmp_path / "food-101.tar.gz").write_bytes(b"an archive")
    declared = small("food101", "torchvision")
    with pytest.raises(DataError, match="no space left"):
        fetch_published(declared, tmp_path, print)
    fetch_published(declared, tmp_path, print)
    assert found == [["food-101.tar.gz"], ["food-101.tar.gz"]]
    assert (tmp_path / "food-101.tar.gz").read_bytes() == b"an archive"
    assert not (tmp_path / "food-101/images/half.jpg").exists()


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_archive_without_a_checksum_is_kept_only_if_it_can_be_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_whole: bool
) -> None:
    found: list[list[str]] = []
    Downloads(monkeypatch, lambda what, root, told: found.append([path.name for path in root.iterdir()]))
    place = begun_folder("aircraft", tmp_path) / "0-FGVCAircraft"
    place.mkdir(parents=True)
    (tmp_path / "bytes").write_bytes(bytes(range(256)) * 99)
    archive = place / "fgvc-aircraft-2013b.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "bytes", "bytes")
    if not is_whole:
        archive.write_bytes(archive.read_bytes()[:-200])
    with zipfile.ZipFile(tmp_path / "other.zip", "w"):
        pass
    fetch_published(small("aircraft", "torchvision"), tmp_path, print)
    assert sorted(found[0]) == ["fgvc-aircraft-2013b.tar.gz"] * is_whole + ["other.zip"]


def test_of_two_sources_the_whole_one_is_read(tmp_path: Path) -> None:
    declared = small("sun397", "torchvision", "parquet")
    write_sun397("SUN397", tmp_path, {})
    WRITERS["parquet"](tmp_path, declared, {})
    assert str(tmp_path / "sun397") in open_dataset(declared, tmp_path, deviating=True).source


@pytest.mark.parametrize(
    ("source", "lost", "told"),
    [
        ("parquet", "pets/data/test-00000-of-00001.parquet", r"pets/test-\*.parquet is missing"),
        ("webdataset", "wds/pets/test/1.tar", r"a shard \(.*nshards.txt says 2, there are 1\) is missing"),
        ("webdataset", "wds/pets/test", r"wds/pets/test/0.tar or .*wds/pets/test-000000.tar is missing"),
        ("folder", "pets/test", r"pets/test is missing"),
    ],
)
def test_of_every_source_what_is_missing_is_named(source: str, lost: str, told: str, tmp_path: Path) -> None:
    declared = small("pets", source)
    WRITERS[source](tmp_path, declared, {})
    assert all(places(declared, tmp_path).values())
    victim = tmp_path / lost
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    assert not any(places(declared, tmp_path).values())
    with pytest.raises(DataError, match=f"'pets' is on this machine only in part.*{told}.*Bring what is missing"):
        open_dataset(declared, tmp_path)


def test_a_download_of_the_hub_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared, real, said = small("cars", "huggingface"), huggingface_hub.snapshot_download, []
    is_cut = True

    def download(*given: str, local_files_only: bool = False, **told: Any) -> str:
        if local_files_only:
            return real(*given, local_files_only=True, **told)
        if is_cut:
            raise OSError("connection reset")
        return real(*given, local_files_only=True, repo_type="dataset", revision=told["revision"])

    WRITERS["huggingface"](tmp_path, declared, dict(declared.sources["huggingface"]))
    snapshot = next((tmp_path / "hub").glob("*/snapshots/*"))
    held = (snapshot / "data/test-00000-of-00001.parquet").read_bytes()
    (snapshot / "data/test-00000-of-00001.parquet").unlink()
    assert not is_here(declared, tmp_path)  # its card promises files of test
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(DataError, match=r"connection reset.*`repbench data fetch cars --hub` goes on"):
        fetch_published(declared, tmp_path, said.append, hub=True)
    (snapshot / "data/test-00000-of-00001.parquet").write_bytes(held)
    assert not is_here(declared, tmp_path)  # more may be to come
    with pytest.raises(DataError, match=r"the rest of its download is missing\). `repbench data fetch cars` goes on"):
        open_dataset(declared, tmp_path)
    is_cut = False
    fetch_published(declared, tmp_path, said.append, hub=True)
    assert is_here(declared, tmp_path)
    fetch_published(declared, tmp_path, said.append, hub=True)
    assert "cars is here already (huggingface:" in said[-1]


def test_the_hubs_copy_can_be_had_beside_a_whole_one_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, said, real = [], [], huggingface_hub.snapshot_download

    def download(*given: str, local_files_only: bool = False, **told: Any) -> str:
        if not local_files_only:
            calls.append(given)
            return str(tmp_path)
        return real(*given, local_files_only=True, **told)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    write("dtd", tmp_path)
    fetch_published(small("dtd"), tmp_path, said.append, hub=True)
    assert calls[0] == ("mcimpoi/dtd_split_1",)
    assert any(line.startswith("note: the copy of [sources.torchvision] at") for line in said)


def test_names_that_count_files_tell_which_is_missing() -> None:
    names = [Path(f"data/train-0000{number}-of-00003.parquet") for number in (0, 2)]
    assert missing_shard(names) == Path("data/train-00001-of-00003.parquet")
    assert missing_shard([*names, Path("data/train-00001-of-00003.parquet"), Path("data/test.parquet")]) is None
    assert missing_shard([Path("a-00001-of-00002-0f3c.parquet")]) == Path("a-00000-of-00002-0f3c.parquet")
