"""The pack `waterstamps`: birds and mammals of Tux Paint on photographs of water and land, in the manner of Waterbirds.

As there (Sagawa et al. 2020, section 4.1) the ground goes with the animal in 95 % of train, and with nothing in val and test.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from repbench.datasets.fetch import stamps
from repbench.datasets.fetch.download import DEBIAN, Package
from repbench.datasets.fetch.pack import Columns, FetchedPack

if TYPE_CHECKING:
    from PIL.Image import Image

GROUNDS = Path("usr/share/scratch/Media/Backgrounds")
KINDS = {"bird": "birds", "mammal": "mammals"}  # kind -> folder of stamps; of each as many pictures per animal
HOME = {"bird": "water", "mammal": "land"}  # where most of a kind are in train
NO_PHOTOGRAPHS = ("cartoon", "toys", "hedgehog", "echidna")  # folders and stamps that are drawings, a toy, a silhouette
UNTIL = {"train": 0.5, "val": 0.7, "test": 1.0}  # cumulated shares of the animals of a kind
PICTURES = {"train": (19, 1), "val": (5, 5), "test": (10, 10)}  # of each animal: on its home, on the other ground
PLACES = {  # by split and ground: no photograph is in two splits
    ("train", "water"): ("Nature/beach-malibu", "Nature/wave", "Outdoors/city-with-water", "Outdoors/city-with-water2"),
    ("val", "water"): ("Nature/lake", "Outdoors/pool"),
    ("test", "water"): ("Nature/water-and-rocks", "Outdoors/boardwalk"),
    ("train", "land"): (
        "Nature/canyon",
        "Nature/garden-rock",
        "Outdoors/hay_field",
        "Outdoors/mansion",
        "Outdoors/train-tracks1",
        "Outdoors/village",
    ),
    ("val", "land"): ("Nature/gravel-desert", "Outdoors/driveway", "Outdoors/wooden-house"),
    ("test", "land"): ("Nature/grand-canyon", "Outdoors/route66", "Sports/playing-field"),
}
SIDE = 224  # pixels of a picture
CROP = (0.7, 1.0)  # side of the cut from a photograph, of its shorter side
REACH = (0.4, 0.6)  # longer side of an animal, of SIDE


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture to be made: an animal (a stamp), its split, the ground, and which of the pictures it is."""

    animal: str
    kind: str
    split: str
    ground: str
    number: int

    @property
    def identifier(self) -> str:
        """The id of the row."""
        return f"{self.animal}/{self.number:02d}"


def read(stamp_package: Path, ground_package: Path) -> Columns:
    """One row a picture: kinds, their animals by path, each on its home first."""
    root, grounds = stamp_package / stamps.INNER / "animals", ground_package / GROUNDS
    columns: dict[str, list[str | bytes]] = {name: [] for name in PACK.columns}
    for kind, folder in KINDS.items():
        for scene in _scenes(kind, _photographs(root, folder)):
            rng = np.random.default_rng(_number(scene.identifier))
            places = PLACES[scene.split, scene.ground]
            place = places[int(rng.integers(len(places)))]
            columns["id"].append(scene.identifier)
            columns["image"].append(_composed(root / f"{scene.animal}.png", grounds / f"{place}.jpg", rng))
            for name in ("kind", "ground", "animal", "split"):
                columns[name].append(getattr(scene, name))
            columns["group"].append(f"{kind} on {scene.ground}")
            columns["place"].append(place)
    return columns


def _photographs(root: Path, folder: str) -> list[str]:
    """The animals of a folder: stamps with a caption, below `animals`, without ending."""
    found = [path.relative_to(root).with_suffix("") for path in sorted((root / folder).rglob("*.txt"))]
    shown = [name for name in found if (root / name).with_suffix(".png").is_file()]
    return [name.as_posix() for name in shown if not set(name.parts) & set(NO_PHOTOGRAPHS)]


def _scenes(kind: str, animals: Sequence[str]) -> Iterator[Scene]:
    """All pictures of a kind. Which split an animal falls into is its place in the order of a fixed hash."""
    order = {animal: place for place, animal in enumerate(sorted(animals, key=_number))}
    home = HOME[kind]
    other = next(ground for ground in HOME.values() if ground != home)
    for animal in animals:
        split = next(name for name, share in UNTIL.items() if order[animal] < round(share * len(animals)))
        at_home, away = PICTURES[split]
        for number in range(at_home + away):
            ground = home if number < at_home else other
            yield Scene(animal=animal, kind=kind, split=split, ground=ground, number=number)


def _composed(stamp: Path, ground: Path, rng: np.random.Generator) -> bytes:
    """JPEG bytes: the animal, mirrored or not, of some size and at some place, over a square cut from the photograph."""
    from PIL import Image, ImageOps

    with Image.open(ground) as opened:
        picture = _square(opened.convert("RGB"), rng)
    with Image.open(stamp) as opened:
        cutout = opened.convert("RGBA")
    cutout = cutout.crop(cutout.getchannel("A").getbbox())
    if rng.random() < 0.5:
        cutout = ImageOps.mirror(cutout)
    scale = rng.uniform(*REACH) * SIDE / max(cutout.size)
    cutout = cutout.resize((max(1, round(cutout.width * scale)), max(1, round(cutout.height * scale))))
    left = int(rng.integers(SIDE - cutout.width + 1))
    top = int(rng.integers(SIDE - cutout.height + 1))
    picture.paste(cutout, (left, top), cutout)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=92)
    return stream.getvalue()


def _square(picture: Image, rng: np.random.Generator) -> Image:
    side = round(rng.uniform(*CROP) * min(picture.size))
    left, top = (int(rng.integers(length - side + 1)) for length in picture.size)
    return picture.resize((SIDE, SIDE), box=(left, top, left + side, top + side))


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")


PACK = FetchedPack(
    name="waterstamps",
    title="Birds and mammals of Tux Paint on water and on land",
    packages=(stamps.PACK.packages[0], Package(name="scratch", registry=DEBIAN, megabytes=26)),
    rows=1760,
    licence="GPL-2.0 (animals), CC-BY-SA-3.0 (photographs of water and land)",
    authors="Bill Kendrick and the contributors of Tux Paint; the Lifelong Kindergarten Group of the MIT Media Lab (Scratch)",
    derivation=(
        "Birds and mammals that have a PNG and a text file, without cartoons, toys, a drawing and a silhouette, are laid over"
        " photographs of water (8) and land (12). The animals of a kind in the order of the SHA-256 of their path are train"
        " (half), val (a fifth) and test; photographs are disjoint between splits too. Each animal of train is on its usual"
        " ground 19 times (birds: water, mammals: land) and once on the other, of val 5 and 5 times, of test 10 and 10. Cut,"
        " photograph, size, place and mirroring are drawn from a generator seeded by the id. 224 x 224 pixels, JPEG."
    ),
    columns={
        "id": "the animal and the number of its picture",
        "image": "JPEG, 224 x 224 pixels",
        "kind": "'bird' or 'mammal'",
        "ground": "'water' or 'land'",
        "group": "kind and ground: four groups",
        "animal": "path of the stamp below the folder of animals, without ending",
        "place": "the photograph",
        "split": "'train', 'val' or 'test'",
    },
    read=read,
    citation="Tux Paint Stamps, 2022; Scratch 1.4; composed in the manner of Sagawa et al., ICLR 2020",
)
