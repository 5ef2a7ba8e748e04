"""Tiny copies of datasets with known factors, in the exact layouts of their authors, and tables of one's own."""

from __future__ import annotations

import builtins
import gzip
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from repbench.datasets.dataset import Dataset
from repbench.datasets.factored.drawing import drawn
from repbench.datasets.fetch.places import is_here
from repbench.datasets.open import open_dataset
from repbench.errors import DataError, DeclarationError
from repbench.tasks import load_catalogue

CATALOGUE = load_catalogue()
RNG = np.random.default_rng(0)


def opened(name: str, data: Path, **changed: Any) -> Dataset:
    changed = {"validation": None, **changed}
    return open_dataset(replace(CATALOGUE.datasets[name], **changed), data)


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6, 3), value, dtype=np.uint8)).save(path, "PNG" if path.suffix == ".png" else "JPEG")


def pixels(dataset: Dataset, split: str, place: int) -> np.ndarray:
    return np.asarray(dataset.splits[split].media["image"].load(place))


def test_rows_are_drawn_the_same_everywhere_and_splits_share_none(tmp_path: Path) -> None:
    found = drawn(100, {"train": 50, "val": 20, "test": 30}, tmp_path)
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(100))
    assert found["val"].tolist() == sorted(np.random.Generator(np.random.PCG64(0)).permutation(100)[50:70].tolist())
    with pytest.raises(DataError, match="has 10 rows; the splits train, test are declared to take 12"):
        drawn(10, {"train": 10, "test": 2}, tmp_path)


def write_dsprites(folder: Path, count: int) -> dict[str, np.ndarray]:
    """With `metadata`, a pickled dictionary, as published: whoever unpickles it fails."""
    classes = np.stack([np.zeros(count), np.arange(count) % 3, *RNG.integers(0, 5, (4, count))], axis=1).astype(np.int64)
    values = np.stack([np.ones(count), classes[:, 1] + 1, *RNG.uniform(0, 6, (4, count))], axis=1)
    images = RNG.integers(0, 2, (count, 64, 64), dtype=np.uint8)
    folder.mkdir(parents=True)
    arrays: dict[str, Any] = {"imgs": images, "latents_values": values, "latents_classes": classes}
    bad = np.array([_Unreadable()], dtype=object)
    np.savez_compressed(folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", metadata=bad, **arrays)
    return arrays


class _Unreadable:
    def __reduce__(self) -> Any:
        return (_fail, ())


def _fail() -> None:
    raise AssertionError("a pickle of the user's file was executed")


def test_dsprites_are_read_without_their_pickle(tmp_path: Path) -> None:
    there = write_dsprites(tmp_path / "dsprites", 40)
    dataset = opened("dsprites", tmp_path, splits={"train": 20, "val": 5, "test": 10})
    test = dataset.splits["test"]
    places = np.array([int(one.split()[1]) for one in test.ids])
    assert test.label.tolist() == there["latents_classes"][places, 1].tolist()
    assert np.allclose(test.columns["orientation"], np.degrees(there["latents_values"][places, 3]))
    assert np.allclose(test.columns["x"], there["latents_values"][places, 4])
    assert (pixels(dataset, "test", 3) == 255 * there["imgs"][places[3]][..., None]).all()


def test_an_npz_that_is_damaged_or_holds_objects_is_refused(tmp_path: Path) -> None:
    write_dsprites(tmp_path / "dsprites", 40)
    path = tmp_path / "dsprites" / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"64x64.npz: its array 'latents_values' cannot be read"):
        opened("dsprites", tmp_path, splits={"train": 20, "val": 5, "test": 10})
    np.savez(path, latents_values=np.array([{}], dtype=object))
    with pytest.raises(DataError, match=r"its array 'latents_values' cannot be read .*allow_pickle=False"):
        opened("dsprites", tmp_path, splits={"train": 20, "val": 5, "test": 10})


def write_shapes(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    images = RNG.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    hues = RNG.integers(0, 10, (count, 3)) / 10
    labels = np.column_stack([hues, RNG.uniform(0.75, 1.25, count), np.arange(count) % 4, RNG.uniform(-30, 30, count)])
    with h5py.File(folder / "3dshapes.h5", "w") as file:
        file["images"], file["labels"] = images, labels
    return images, labels


def test_3d_shapes_are_read_from_hdf5(tmp_path: Path) -> None:
    images, labels = write_shapes(tmp_path / "3dshapes", 24)
    dataset = opened("3dshapes", tmp_path, splits={"train": 12, "val": 4, "test": 8})
    train = dataset.splits["train"]
    places = np.array([int(one.split()[1]) for one in train.ids])
    assert train.label.tolist() == labels[places, 4].tolist()
    assert np.allclose(train.columns["wall_hue"], 360 * labels[places, 1])
    assert np.allclose(train.columns["orientation"], labels[places, 5])
    assert (pixels(dataset, "train", 5) == images[places[5]]).all()


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shapes(tmp_path / "3dshapes", 24)
    real = builtins.__import__

    def without(name: str, *given: Any, **told: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *given, **told)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"h5py, which is not installed: pip install 'repbench\[h5\]'"):
        opened("3dshapes", tmp_path, splits={"train": 12, "val": 4, "test": 8})


def test_causal3dident_takes_validation_from_trainset_and_numbers_pictures_by_their_count(tmp_path: Path) -> None:
    counts = {"trainset": 12, "testset": 10}
    for part, count in counts.items():
        for one in range(7):
            folder = tmp_path / "causal3dident" / part
            for place in range(count):
                picture(folder / f"images_{one}" / f"{place:0{2 if count > 10 else 1}d}.png", 10 * one + place)
            np.save(folder / f"raw_latents_{one}.npy", np.full((count, 10), one) + np.arange(10) / 10)
    dataset = opened("causal3dident", tmp_path, splits={"train": 50, "val": 20, "test": 30})
    ids = {name: set(split.ids.tolist()) for name, split in dataset.splits.items()}
    assert ids["train"].isdisjoint(ids["val"])
    test = dataset.splits["test"]
    for place in (0, 29):
        one, number = int(test.ids[place][7]), int(Path(test.ids[place]).stem)
        assert test.label[place] == one
        assert test.columns["position_z"][place] == pytest.approx(one + 0.2)
        assert test.columns["background_hue"][place] == pytest.approx(one + 0.9)
        assert pixels(dataset, "test", place)[0, 0, 0] == 10 * one + number


def matrix(kind: str, array: np.ndarray) -> bytes:
    """A binary matrix of NORB's: dimensions are padded with ones to three."""
    magic = {"u1": 0x1E3D4C55, "<i4": 0x1E3D4C54}[kind]
    dims = [*array.shape, *[1] * (3 - array.ndim)]
    return struct.pack(f"<{2 + len(dims)}i", magic, array.ndim, *dims) + array.astype(kind).tobytes()


def write_norb(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(parents=True)
    for stem, instances in (("5x46789x9x18x6x2x96x96-training", (4, 6)), ("5x01235x9x18x6x2x96x96-testing", (0, 1))):
        rows = [(kind, one, 3, azimuth, 2) for kind in range(5) for one in instances for azimuth in (0, 2, 34)]
        info = np.array(rows)
        images = RNG.integers(0, 256, (len(rows), 2, 96, 96), dtype=np.uint8)
        (folder / f"smallnorb-{stem}-dat.mat").write_bytes(matrix("u1", images))
        (folder / f"smallnorb-{stem}-cat.mat").write_bytes(matrix("<i4", info[:, 0]))
        (folder / f"smallnorb-{stem}-info.mat.gz").write_bytes(gzip.compress(matrix("<i4", info[:, 1:])))
    return images, info


def test_norb_is_read_from_its_binary_matrices_zipped_or_not(tmp_path: Path) -> None:
    images, info = write_norb(tmp_path / "smallnorb")
    dataset = opened("norb", tmp_path, splits={"train": 30, "test": 30})
    test = dataset.splits["test"]
    assert test.label.tolist() == info[:, 0].tolist()
    assert test.columns["instance"][:4].tolist() == ["animal 0"] * 3 + ["animal 1"]
    assert test.columns["azimuth"][:3].tolist() == [0, 20, 340]
    assert set(test.columns["elevation"].tolist()) == {45}
    assert (pixels(dataset, "test", 7) == images[7, 0][..., None]).all()


def test_a_file_that_is_no_matrix_of_norbs_is_told(tmp_path: Path) -> None:
    write_norb(tmp_path / "smallnorb")
    path = tmp_path / "smallnorb" / "smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(DataError, match="bytes; a matrix of 30 x 2 x 96 x 96 asks for"):
        opened("norb", tmp_path, splits={"train": 30, "test": 30})
    path.write_bytes(b"MATLAB 5.0 MAT-file, Platform")
    with pytest.raises(DataError, match="begins with 4d41544c: no matrix"):
        opened("norb", tmp_path, splits={"train": 30, "test": 30})


def write_iebench(folder: Path) -> None:
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for synset in ("02691156", "02747177"):
        for part, count in (("train", 12), ("val", 5)):
            for number in range(count):
                name = f"{synset}/{part}{number:02d}"
                lists[part].append(f"/{name}/")
                for view in range(50):
                    picture(folder / name / f"image_{view}.jpg", view)
                    angles = [0.1 + view / 50, 0, 0]
                    np.save(folder / name / f"latent_{view}.npy", np.array([*angles, 0.5, 0.2, 3.0, 0.25]))
    for part, names in lists.items():
        np.save(folder / f"{part}_images.npy", np.array(names))


def test_3diebench_is_split_by_object_with_all_views_and_tilts_by_the_angle_of_the_rotation(tmp_path: Path) -> None:
    write_iebench(tmp_path / "3DIEBench")
    dataset = opened("3diebench", tmp_path, classes=2, splits={"train": 1000, "val": 200, "test": 500})
    seen = {name: set(split.columns["instance"].tolist()) for name, split in dataset.splits.items()}
    assert {name: len(own) for name, own in seen.items()} == {"train": 20, "val": 4, "test": 10}
    assert seen["train"].isdisjoint(seen["val"])
    assert all("/val" in one for one in seen["test"])
    train = dataset.splits["train"]
    assert train.class_names[train.label[0]] == train.ids[0].split("/")[0]
    magnitude = np.degrees(Rotation.from_euler("x", 0.1 + 40 / 50).magnitude())
    assert train.columns["tilt"][40] == magnitude // 30 * 30 == 30
    assert train.columns["light_hue"][0] == 90
    assert train.columns["light_phi"][0] == pytest.approx(np.degrees(3))


def write_pug(folder: Path, header: str = "world_name,character_name,character_scale,camera_yaw,character_texture") -> None:
    lines = [f"filename,{header}"]
    number = 0
    for animal in ("Cat", "Crow"):
        for world in ("Desert", "Arena", "Bar", "Forge"):
            for yaw in (0, 45, 225, 315):
                lines.append(f"{number}.png,{world},{animal},1.0,{yaw},Default")
                picture(folder / animal / f"{number}.png", number)
                number += 1
    (folder / "labels_pug_animal.csv").write_text("\n".join(lines) + "\n")


def test_pug_animals_lie_below_the_names_of_their_animals_and_a_scene_is_whole_in_one_split(tmp_path: Path) -> None:
    write_pug(tmp_path / "PUG_Animal")
    splits = {"train": 16, "val": 8, "test": 8}
    dataset = opened("pug-animals", tmp_path, classes=2, splits=splits)
    test = dataset.splits["test"]
    for place, name in enumerate(test.ids):
        number = int(Path(name).stem)
        assert test.class_names[test.label[place]] == ("Cat" if number < 16 else "Crow") == name.split("/")[0]
        assert test.columns["background"][place] == ("Desert", "Arena", "Bar", "Forge")[number // 4 % 4]
        assert test.columns["camera_yaw"][place] == ("0", "45", "225", "315")[number % 4]
        assert pixels(dataset, "test", place)[0, 0, 0] == number
    scenes = [split.columns["instance"].tolist() for split in dataset.splits.values()]
    assert [{own.count(one) for one in own} for own in scenes] == [{4}, {4}, {4}]
    assert len(set().union(*scenes)) == 8
    with pytest.raises(DataError, match=r"Cat is in 4 scenes; the splits take 5 of them"):
        opened("pug-animals", tmp_path, classes=2, splits={**splits, "test": 16})
    write_pug(tmp_path / "PUG_Animal", "world,character_name,character_scale,camera_yaw,character_texture")
    with pytest.raises(DataError, match=r"labels_pug_animal.csv: no column 'world_name'; there are filename, world"):
        opened("pug-animals", tmp_path, classes=2, splits=splits)


def test_pug_animals_are_asked_for_new_poses() -> None:
    names = {task.name for task in CATALOGUE.tasks.values() if task.dataset.name == "pug-animals"}
    assert {"pose-robustness/pug-animals", "identifiability/pug-animals"} <= names


@pytest.mark.parametrize("name", ["3dshapes", "dsprites", "causal3dident", "norb", "3diebench", "pug-animals"])
def test_a_set_that_is_not_here_is_left_out_of_patterns_and_says_where_it_comes_from(name: str, tmp_path: Path) -> None:
    assert not is_here(CATALOGUE.datasets[name], tmp_path)
    assert f"identifiability/{name}" not in {task.name for task in CATALOGUE.select_here(["identifiability/*"], tmp_path)}
    where = str(CATALOGUE.datasets[name].sources["factored"]["get"])
    with pytest.raises(DataError, match="is not on this machine") as told:
        opened(name, tmp_path)
    assert where in str(told.value)


TABLE = """
title = "Mugs"
metric = "accuracy"
classes = ["mug", "cup"]
label = "kind"
factors = ["instance", "yaw"]
cluster = "instance"
[splits]
train = 6
test = 4
[factor.instance]
kind = "category"
role = "content"
within = true
[factor.yaw]
kind = "angle"
role = "style"
typical = [0]
[sources.table]
path = "mugs/table{ending}"
images = "pictures"
columns = {{ image = "file", yaw = "turn" }}
"""


def write_table(folder: Path, ending: str) -> pd.DataFrame:
    rows = []
    for number in range(10):
        rows.append(
            {
                "file": f"{number}.png",
                "kind": "mug" if number % 2 else "cup",
                "instance": f"i{number}",
                "turn": 30 * number,
                "split": "train" if number < 6 else "test",
            }
        )
        picture(folder / "mugs" / "pictures" / f"{number}.png", number)
    table = pd.DataFrame(rows)
    path = folder / "mugs" / f"table{ending}"
    table.to_csv(path, index=False) if ending == ".csv" else table.to_parquet(path)
    (folder / "mugs.toml").write_text(TABLE.format(ending=ending))
    return table


def own(folder: Path) -> Dataset:
    catalogue = load_catalogue([folder / "mugs.toml"])
    return open_dataset(catalogue.datasets["mugs"], folder)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_of_ones_own_gives_classes_splits_and_factors(tmp_path: Path, ending: str) -> None:
    write_table(tmp_path, ending)
    dataset = own(tmp_path)
    test = dataset.splits["test"]
    assert test.ids.tolist() == ["6.png", "7.png", "8.png", "9.png"]
    assert [test.class_names[one] for one in test.label] == ["cup", "mug", "cup", "mug"]
    assert test.columns["yaw"].astype(float).tolist() == [180, 210, 240, 270]
    assert pixels(dataset, "test", 2)[0, 0, 0] == 8


def test_a_table_asks_for_every_protocol_that_its_factors_allow(tmp_path: Path) -> None:
    write_table(tmp_path, ".csv")
    names = set(load_catalogue([tmp_path / "mugs.toml"]).tasks)
    assert {"pose-robustness/mugs", "knn/mugs"} <= names  # yaw is the pose, for it says what is typical


def test_what_a_table_lacks_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path, ".csv")
    path = tmp_path / "mugs" / "table.csv"
    table.rename(columns={"turn": "turns"}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"table.csv: no column 'turn'. Did you mean 'turns'"):
        own(tmp_path)
    table.assign(turn=[*range(9), ""]).to_csv(path, index=False)
    with pytest.raises(DataError, match="the column 'turn' is empty in 1 rows, the first being row 10"):
        own(tmp_path)
    table.assign(split="training").to_csv(path, index=False)
    with pytest.raises(DataError, match="the column 'split' never says 'train'; it says 'training'"):
        own(tmp_path)
    table.to_json(tmp_path / "mugs" / "table.json")
    (tmp_path / "mugs.toml").write_text(TABLE.format(ending=".json"))
    with pytest.raises(DeclarationError, match=r"expected a file that ends in .csv or .parquet"):
        own(tmp_path)
