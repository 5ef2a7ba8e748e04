"""3DIEBench (Garrido et al. 2023): `SYNSET/OBJECT/image_K.jpg` with `latent_K.npy`, 50 random views K an object.

Latents: rotation about x, y and z (Tait-Bryan, radians), hue of the floor, the light's two angles, its hue. The split is by
object: `train_images.npy` and `val_images.npy` of the authors' code list "/SYNSET/OBJECT/". Of each class some are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repbench.datasets.factored.arrays import array
from repbench.datasets.factored.drawing import SEED
from repbench.datasets.inside import check_inside
from repbench.datasets.items import FileItems
from repbench.datasets.layouts.listing import Listing
from repbench.errors import DataError

VIEWS = 50
LISTS = {"train": "train_images.npy", "val": "train_images.npy", "test": "val_images.npy"}
OBJECTS = {"train": 10, "val": 2, "test": 5}  # of each class
BIN = 30  # degrees


def read(folder: Path, sizes: Mapping[str, int]) -> dict[str, Listing]:
    """All views of the drawn objects of each split. Raises DataError for a missing list or view."""
    objects: dict[str, list[str]] = {}
    for listing in dict.fromkeys(LISTS[split] for split in sizes):
        objects |= _drawn(folder / listing, {split: n for split, n in OBJECTS.items() if LISTS[split] == listing})
    return {split: _views(folder, objects[split]) for split in sizes}


def class_names(folder: Path) -> tuple[str, ...]:
    """The synsets, sorted."""
    return tuple(sorted({one.split("/")[0] for one in _listed(folder / LISTS["train"])}))


def _listed(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path}: the list of objects is missing; it lies in the folder data/ of facebookresearch/SIE.")
    return [str(one).strip("/") for one in array(path).tolist()]


def _drawn(path: Path, sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """So many objects of each class for each split, or what there is."""
    by_class: dict[str, list[str]] = {}
    for one in _listed(path):
        by_class.setdefault(one.split("/")[0], []).append(one)
    rng = np.random.Generator(np.random.PCG64(SEED))
    found: dict[str, list[str]] = {split: [] for split in sizes}
    for name in sorted(by_class):
        own = [sorted(by_class[name])[place] for place in rng.permutation(len(by_class[name]))]
        for split, size in sizes.items():
            found[split] += sorted(own[:size])
            own = own[size:]
    return found


def _views(folder: Path, objects: list[str]) -> Listing:
    names = [f"{one}/image_{view}.jpg" for one in objects for view in range(VIEWS)]
    paths = [folder / one / f"latent_{view}.npy" for one in objects for view in range(VIEWS)]
    check_inside(paths, folder)
    latents = np.stack([_latent(path) for path in paths]) if paths else np.zeros((0, 7))
    turn = np.rad2deg(latents[:, :3])
    columns = {
        "instance": np.repeat(objects, VIEWS),
        **{f"rotation_{axis}": turn[:, at] for at, axis in enumerate("xyz")},
        "floor_hue": 360 * latents[:, 3],
        "light_theta": np.rad2deg(latents[:, 4]),
        "light_phi": np.rad2deg(latents[:, 5]),
        "light_hue": 360 * latents[:, 6],
        "tilt": _tilt(latents[:, :3]),
    }
    label = np.array([name.split("/")[0] for name in names])
    items = FileItems("image", [folder / name for name in names])
    return Listing(ids=np.array(names), label=label, items=items, columns=columns)


def _latent(path: Path) -> np.ndarray:
    found = array(path).astype(np.float64).ravel()
    if len(found) < 7:
        raise DataError(f"{path}: has {len(found)} latents; expected 7 (three angles, floor hue, two of the light, light hue).")
    return found[:7]


def _tilt(angles: np.ndarray) -> np.ndarray:
    """By how much an object is turned from its upright pose, whole bins of 30 degrees: (n, 3) radians -> (n,) degrees."""
    from scipy.spatial.transform import Rotation

    if not len(angles):
        return np.zeros(0)
    whole = np.rad2deg(Rotation.from_euler("xyz", angles).magnitude())
    return np.asarray(np.floor(whole / BIN) * BIN)
