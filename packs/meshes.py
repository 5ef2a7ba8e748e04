"""Wavefront OBJ/MTL meshes: what the furniture pack needs of the format, read from a zip archive.

Read: v, vt, f (any polygon, negative indices), usemtl, mtllib; of a material Kd, d and map_Kd. Everything else (normals,
groups, smoothing, specular terms) is ignored, because the rasteriser shades by the normal of the face.
"""

from __future__ import annotations

import io
import posixpath
from dataclasses import dataclass, field
from zipfile import ZipFile

import numpy as np
from PIL import Image

TEXTURE_SIDE = 256  # pixels; larger textures are shrunk on reading, a rendered picture is far smaller anyway


@dataclass(frozen=True)
class Mesh:
    """Triangles in the coordinates of the file, each with a material."""

    vertices: np.ndarray  # float64 (v, 3); y points up
    faces: np.ndarray  # int (f, 3), into vertices
    uv: np.ndarray  # float64 (f, 3, 2); zero where the file has none
    material: np.ndarray  # int (f,), into textures
    textures: tuple[np.ndarray, ...]  # uint8 (height, width, 4) RGBA; 1 x 1 for a plain colour


@dataclass
class _Parsed:
    """The lines of an OBJ file, sorted by kind."""

    vertices: list[list[float]] = field(default_factory=list)
    uv: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0]])  # place 0: no coordinate given
    faces: list[tuple[int, int, int]] = field(default_factory=list)
    face_uv: list[tuple[int, int, int]] = field(default_factory=list)
    face_material: list[int] = field(default_factory=list)
    materials: dict[str, int] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)


def load_mesh(archive: ZipFile, path: str) -> Mesh:
    """The mesh at `path` of the archive with its materials. Raises ValueError if it has no face."""
    parsed = _parse(archive.read(path).decode("latin1"))
    if not parsed.faces:
        raise ValueError(f"{path}: a mesh without faces")
    names = {name.lower(): name for name in archive.namelist()}  # some files misspell the case of a texture
    folder = posixpath.dirname(path)
    looks: dict[str, np.ndarray] = {}
    for library in parsed.libraries:
        found = names.get(posixpath.join(folder, library).lower())
        if found:
            looks.update(_materials(archive, found, names))
    grey = _plain((0.8, 0.8, 0.8), 1.0)
    return Mesh(
        vertices=np.array(parsed.vertices),
        faces=np.array(parsed.faces),
        uv=np.array(parsed.uv)[np.array(parsed.face_uv)],
        material=np.array(parsed.face_material),
        textures=tuple(looks.get(name, grey) for name in parsed.materials),
    )


def _parse(text: str) -> _Parsed:
    """Sort the lines of an OBJ file."""
    parsed = _Parsed()
    material = 0
    parsed.materials[""] = 0
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            parsed.vertices.append([float(part) for part in rest.split()[:3]])
        elif word == "vt":
            parsed.uv.append([float(part) for part in (*rest.split(), "0")[:2]])
        elif word == "f":
            _face(parsed, rest.split(), material)
        elif word == "usemtl":
            material = parsed.materials.setdefault(rest.strip(), len(parsed.materials))
        elif word == "mtllib":
            parsed.libraries.append(rest.strip())
    return parsed


def _face(parsed: _Parsed, corners: list[str], material: int) -> None:
    """Add one polygon as a fan of triangles: right if it is convex."""
    places, uvs = [], []
    for corner in corners:
        place, _, more = corner.partition("/")
        texture = more.partition("/")[0]
        places.append(_index(place, len(parsed.vertices)))
        uvs.append(_index(texture, len(parsed.uv) - 1) + 1 if texture else 0)
    for second in range(1, len(places) - 1):
        parsed.faces.append((places[0], places[second], places[second + 1]))
        parsed.face_uv.append((uvs[0], uvs[second], uvs[second + 1]))
        parsed.face_material.append(material)


def _index(text: str, count: int) -> int:
    """A place counted from 0; the format counts from 1, and negative places from the end."""
    number = int(text)
    return number - 1 if number > 0 else count + number


def _materials(archive: ZipFile, path: str, names: dict[str, str]) -> dict[str, np.ndarray]:
    """The RGBA look of every material of one MTL file."""
    looks: dict[str, np.ndarray] = {}
    facts: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in archive.read(path).decode("latin1").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            current = facts.setdefault(rest.strip(), {})
        else:
            current[word] = rest.strip()
    for name, fact in facts.items():
        opacity = float(fact.get("d", "1").split()[-1])
        texture = _texture(archive, path, fact.get("map_Kd", ""), names)
        if texture is None:
            red, green, blue = (float(part) for part in fact.get("Kd", "0.8 0.8 0.8").split()[:3])
            looks[name] = _plain((red, green, blue), opacity)
        else:
            texture[..., 3] = np.rint(texture[..., 3] * opacity).astype(np.uint8)
            looks[name] = texture
    return looks


def _texture(archive: ZipFile, path: str, entry: str, names: dict[str, str]) -> np.ndarray | None:
    """The picture that a map_Kd entry names, RGBA, or None if there is none."""
    wanted = posixpath.join(posixpath.dirname(path), entry.replace("\\", "/").rpartition("/")[2])
    found = names.get(wanted.lower())
    if not entry or found is None:
        return None
    picture = Image.open(io.BytesIO(archive.read(found))).convert("RGBA")
    picture.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE), Image.Resampling.BOX)
    return np.array(picture)


def _plain(colour: tuple[float, float, float], opacity: float) -> np.ndarray:
    """A texture of one texel."""
    texel = np.clip(np.rint(np.array([*colour, opacity]) * 255), 0, 255)
    return np.asarray(texel.astype(np.uint8).reshape(1, 1, 4))
