"""The furniture pack: known objects in known poses, rendered from freely licensed meshes of Sweet Home 3D.

Source: the Debian package sweethome3d-furniture (`packs.debian` fetches it). Nothing beyond repbench's own requirements is
needed to build. It takes about a quarter of an hour on one core, a third of it in the WebP encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from packs.common import PACK_FOLDER, About, webp, write_pack
from packs.debian import source, unpacked
from packs.furniture_catalogue import CHOICE, Model, catalogue
from packs.meshes import Mesh
from packs.render import Light, Pose, Scene

PACKAGE = "sweethome3d-furniture"
SIDE = 64
AZIMUTHS = tuple(range(0, 360, 30))
ELEVATIONS = (15, 40, 65)
LIGHTS = {
    "left": Light(direction=(-0.7, 0.5, 0.6), diffuse=0.6, ambient=0.5),
    "right": Light(direction=(0.7, 0.5, 0.6), diffuse=0.6, ambient=0.5),
    "above": Light(direction=(0.0, 1.0, 0.4), diffuse=0.55, ambient=0.4),
}
LEAST_COVER = 0.015  # of the frame, in every pose; a model that shows less is an error in the choice

COLUMNS = {
    "id": "instance-azimuth-elevation, for example katorlegaz/bar-stool-030-15",
    "image": f"lossless WebP, RGB, {SIDE} x {SIDE} pixels, plain light grey background (236, 236, 236)",
    "class": f"kind of object, one of {len(CHOICE)}: {', '.join(CHOICE)}",
    "instance": "one model: its folder in the Sweet Home 3D libraries",
    "name": "the model's English name in the catalogue",
    "azimuth": "degrees, 0 to 330 in steps of 30; 0 looks at the front (the side that faces the room in the catalogue), "
    "90 at the object's own left side, 180 at its back: the camera goes counter-clockwise as seen from above",
    "elevation": "degrees above the horizon of the camera: 15, 40 or 65",
    "light": "left, right (bright) or above (dimmer), fixed to the camera; assigned by rule, not crossed (see derivation)",
    "turn_change": "how much the object's look changes when it turns: mean absolute difference of pixel values (0 to 255) "
    "between azimuth 0 and azimuths 90, 180 and 270, elevation 15; near 0, the azimuth cannot be seen",
    "author": "creator of the model as the catalogue names it",
    "licence": "SPDX identifier of the model's licence",
    "split": "train, val or test by instance within class: 1 test, 1 val, the rest (3 or 4) train",
}
DERIVATION = (
    f"{sum(map(len, CHOICE.values()))} of the 820 models, chosen by eye, each turned to the catalogue's axes, stretched to "
    f"the catalogue's size and rendered with an own rasteriser in {len(AZIMUTHS)} azimuths x {len(ELEVATIONS)} elevations, "
    "fully crossed; perspective from four times the object's radius, two-sided Lambert shading of flat faces, 4 x 4 samples "
    "a pixel. One zoom for all poses of a model, such that the largest view fills the frame. Within a class, models are "
    "ordered by the SHA-256 of their name: the first is for test, the second for validation. The light is number (place of "
    "the class + place of the model in that order + azimuth step + elevation step) modulo 3 of left, right, above: each "
    "light has a third of every model's views, and about a third of every pose in each split; azimuths 90 degrees apart "
    "share their light. Rows are ordered by class, instance, elevation, azimuth. Changes were made to all models: they "
    "became pictures."
)


def build(downloads: Path, folder: Path = PACK_FOLDER) -> Path:
    """Write furniture.parquet to `folder` from the package in `downloads`, which is fetched if absent."""
    models = catalogue(unpacked(PACKAGE, downloads) / "usr/share/sweethome3d/furniture")
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    seen: dict[str, str] = {}
    for number, (kind, idents) in enumerate(CHOICE.items()):
        splits = _splits(idents)
        for ident in sorted(idents):
            # The place in the order of the splits: a place by name would leave a split with hardly any of one light in a pose.
            place = number + list(splits).index(ident)
            mesh = models[ident].mesh()
            twin = seen.setdefault(_digest(mesh), ident)
            if twin != ident:
                raise ValueError(f"furniture: {ident} is the same mesh as {twin}")
            for row in _rows(models[ident], mesh, place):
                for name, value in {**row, "class": kind, "split": splits[ident]}.items():
                    columns[name].append(value)
    authors = sorted(set(columns["author"]), key=str.lower)
    about = About(
        title="Furniture: objects in known poses",
        sources=(source(PACKAGE, downloads, "CC-BY-3.0 AND CC-BY-3.0-US AND CC0-1.0", ", ".join(authors)),),
        derivation=DERIVATION,
        columns=COLUMNS,
    )
    return write_pack("furniture", columns, about, folder)


def _rows(model: Model, mesh: Mesh, place: int) -> Iterator[dict[str, Any]]:
    """The rows of one model, all poses."""
    poses = tuple(Pose(azimuth, elevation) for elevation in ELEVATIONS for azimuth in AZIMUTHS)
    scene = Scene(mesh, poses, SIDE)
    pictures: list[Image.Image] = []
    lights: list[str] = []
    for step, pose in enumerate(poses):
        azimuth_step, elevation_step = step % len(AZIMUTHS), step // len(AZIMUTHS)
        lights.append(list(LIGHTS)[(place + azimuth_step + elevation_step) % len(LIGHTS)])
        picture, cover = scene.picture(pose, LIGHTS[lights[-1]])
        if cover < LEAST_COVER:
            raise ValueError(f"furniture: {model.ident} covers {cover:.1%} of the frame in {pose}")
        pictures.append(picture)
    change = _turn_change(pictures)
    for pose, light, picture in zip(poses, lights, pictures, strict=True):
        yield {
            "id": f"{model.ident}-{pose.azimuth:03d}-{pose.elevation}",
            "image": webp(picture),
            "instance": model.ident,
            "name": model.name,
            "azimuth": pose.azimuth,
            "elevation": pose.elevation,
            "light": light,
            "turn_change": change,
            "author": model.author,
            "licence": model.licence,
        }


def _turn_change(pictures: list[Image.Image]) -> float:
    """Mean absolute difference between the front and the three quarter turns, which have the same light."""
    front, *turned = (np.asarray(pictures[AZIMUTHS.index(azimuth)], float) for azimuth in (0, 90, 180, 270))
    return round(float(np.mean([np.abs(front - other).mean() for other in turned])), 2)


def _splits(idents: tuple[str, ...]) -> dict[str, str]:
    """The split of each model of one class."""
    order = sorted(idents, key=lambda ident: hashlib.sha256(ident.encode()).hexdigest())
    return {ident: ("test", "val")[place] if place < 2 else "train" for place, ident in enumerate(order)}


def _digest(mesh: Mesh) -> str:
    """A hash of the shape alone, not of its colours: a repainted model is no new object."""
    corners = np.round(mesh.vertices[mesh.faces], 3) + 0.0
    return hashlib.sha256(corners.tobytes()).hexdigest()
