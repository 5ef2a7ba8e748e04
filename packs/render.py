"""A z-buffer rasteriser in numpy: textured triangles in perspective, two-sided Lambert shading, no graphics library.

Visibility is found per sample first, colour afterwards only where a face won. Translucent surfaces (glass, leaves cut out of
a texture) are drawn as a screen door: a sample of the grid is kept or not by an ordered threshold, and averaging the samples
of a pixel turns that into opacity.

Matrix products may round differently from one processor to the next, and one bit decides whether an edge takes a sample. So
what comes out of them is snapped to a grid far finer than a sample; all later decisions are elementwise arithmetic on that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from packs.meshes import Mesh

SAMPLES = 4  # per pixel and axis
BACKGROUND = 236  # light grey, so that white objects stand out
SNAP = 2.0**-24  # of the object's radius, or of a share: the grid that vertices, image points and brightness are put on
CHUNK = 2_000_000  # candidate samples held at once
THRESHOLDS = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # the ordered dither of 4 x 4


@dataclass(frozen=True)
class Light:
    """One far light and the even light of the surroundings; the light stays with the camera, the object turns."""

    direction: tuple[float, float, float]  # towards the light: right, up, to the camera
    diffuse: float
    ambient: float


@dataclass(frozen=True)
class Pose:
    """Where the camera stands, in degrees: azimuth 0 looks at the front, 90 at the object's left side."""

    azimuth: int
    elevation: int


class Scene:
    """One mesh, its textures with all their halvings, and the zoom at which it fills the frame in the wanted poses."""

    def __init__(self, mesh: Mesh, poses: tuple[Pose, ...], side: int, distance: float = 4.0, margin: float = 0.04) -> None:
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        self.vertices = _snap((mesh.vertices - (low + high) / 2) / (np.linalg.norm(high - low) / 2))
        self.mesh, self.side, self.distance = mesh, side, distance
        self.atlas, self.starts, self.shapes = _atlas(mesh.textures)
        self.opaque = np.array([bool((texture[..., 3] == 255).all()) for texture in mesh.textures])[mesh.material]
        used = np.unique(mesh.faces)
        reach = max(float(np.abs(self._project(pose)[1][used, :2]).max()) for pose in poses)
        self.zoom = float(_snap(np.array((0.5 - margin) / reach)))

    def picture(self, pose: Pose, light: Light) -> tuple[Image.Image, float]:
        """The rendered picture and the share of its pixels that the object covers."""
        camera, flat = self._project(pose)
        grid = self.side * SAMPLES
        points = np.column_stack([0.5 + flat[:, 0] * self.zoom, 0.5 - flat[:, 1] * self.zoom]) * grid
        corners = points[self.mesh.faces]
        nearness = flat[:, 2][self.mesh.faces]
        levels = self._levels(corners)
        winner = self._visible(corners, nearness, levels, grid)
        sample = np.flatnonzero(winner >= 0)
        face = winner[sample]
        weights = _weights(corners[face], sample % grid + 0.5, sample // grid + 0.5)
        colours = np.full((grid * grid, 3), float(BACKGROUND))
        texels = self._texels(face, weights, nearness[face], levels[face])[:, :3]
        colours[sample] = np.minimum(texels * _shade(camera[self.mesh.faces], self.distance, light)[face, None], 255)
        pixels = colours.reshape(self.side, SAMPLES, self.side, SAMPLES, 3).mean((1, 3))
        covered = (winner >= 0).reshape(self.side, SAMPLES, self.side, SAMPLES).mean((1, 3))
        return Image.fromarray(np.rint(pixels).astype(np.uint8)), float((covered > 0.25).mean())

    def _project(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Vertices in camera axes (right, up, to the camera), and as (x, y, 1/depth) on the image plane."""
        turn, tilt = np.radians(pose.azimuth), np.radians(pose.elevation)
        around = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
        down = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
        camera = _snap(self.vertices @ (down @ around).T)
        nearness = 1 / (self.distance - camera[:, 2])
        return camera, _snap(np.column_stack([camera[:, :2] * nearness[:, None], nearness]))

    def _levels(self, corners: np.ndarray) -> np.ndarray:
        """How often each face's texture is halved so that one texel is about one sample."""
        texels = np.abs(_double_area(self.mesh.uv)) * self.shapes[self.mesh.material, 0].prod(1)
        samples = np.maximum(np.abs(_double_area(corners)), 1e-9)
        levels = np.rint(np.log2(np.maximum(texels / samples, 1)) / 2).astype(int)
        return np.asarray(np.minimum(levels, self.starts.shape[1] - 1))

    def _visible(self, corners: np.ndarray, nearness: np.ndarray, levels: np.ndarray, grid: int) -> np.ndarray:
        """The face that is seen at each sample, int (grid * grid,), -1 for none."""
        first = np.clip(np.ceil(corners.min(1) - 0.5), 0, grid).astype(int)
        last = np.clip(np.floor(corners.max(1) - 0.5), -1, grid - 1).astype(int)
        extent = np.maximum(last - first + 1, 0)
        extent[np.abs(_double_area(corners)) < 1e-9] = 0
        counts = extent.prod(1)
        depth = np.zeros(grid * grid)
        winner = np.full(grid * grid, -1)
        for faces in _batches(counts):
            face = np.repeat(faces, counts[faces])
            within = np.arange(len(face)) - np.repeat(np.cumsum(counts[faces]) - counts[faces], counts[faces])
            x = first[face, 0] + within % extent[face, 0]
            y = first[face, 1] + within // extent[face, 0]
            weights = _weights(corners[face], x + 0.5, y + 0.5)
            keep: np.ndarray = np.asarray((weights >= -1e-9).all(1))
            keep[keep] = self._solid(face[keep], weights[keep], nearness, levels, x[keep], y[keep])
            face, sample = face[keep], (y * grid + x)[keep]
            near = (weights[keep] * nearness[face]).sum(1)
            np.maximum.at(depth, sample, near)
            seen = near >= depth[sample]  # also true where an earlier batch lies at the very same depth: the later face wins
            winner[sample[seen]] = face[seen]
        return winner

    def _solid(
        self, face: np.ndarray, weights: np.ndarray, nearness: np.ndarray, levels: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        """Whether the screen door lets each sample of a face stand."""
        solid: np.ndarray = self.opaque[face]
        some = np.flatnonzero(~solid)
        alpha = self._texels(face[some], weights[some], nearness[face[some]], levels[face[some]])[:, 3]
        solid[some] = alpha * 16 > (THRESHOLDS[y[some] % 4, x[some] % 4] + 0.5) * 255
        return solid

    def _texels(self, face: np.ndarray, weights: np.ndarray, nearness: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """RGBA of each sample, float (n, 4), with coordinates that repeat and are right in perspective."""
        true = weights * nearness
        true = true / true.sum(1, keepdims=True)
        uv = (true[..., None] * self.mesh.uv[face]).sum(1)
        material = self.mesh.material[face]
        height, width = self.shapes[material, levels].T
        column = np.minimum((uv[:, 0] % 1.0 * width).astype(int), width - 1)
        row = np.minimum(((1.0 - uv[:, 1]) % 1.0 * height).astype(int), height - 1)
        return np.asarray(self.atlas[self.starts[material, levels] + row * width + column], float)


def _atlas(textures: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All textures with their halvings in one run of texels; where each begins, int (m, k), and its shape, int (m, k, 2)."""
    depth = 1 + max(int(np.ceil(np.log2(max(texture.shape[:2])))) for texture in textures)
    runs: list[np.ndarray] = []
    starts = np.zeros((len(textures), depth), int)
    shapes = np.ones((len(textures), depth, 2), int)
    at = 0
    for place, texture in enumerate(textures):
        picture = Image.fromarray(texture)
        for level in range(depth):
            size = max(1, texture.shape[1] >> level), max(1, texture.shape[0] >> level)
            if level == 0 or size != (shapes[place, level - 1, 1], shapes[place, level - 1, 0]):
                runs.append(np.array(picture.resize(size, Image.Resampling.BOX)).reshape(-1, 4))
                starts[place, level], at = at, at + len(runs[-1])
            else:
                starts[place, level] = starts[place, level - 1]
            shapes[place, level] = size[1], size[0]
    return np.concatenate(runs), starts, shapes


def _snap(values: np.ndarray) -> np.ndarray:
    """The values on the grid of SNAP."""
    return np.asarray(np.rint(values / SNAP) * SNAP)


def _double_area(corners: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles in the plane, (n, 3, 2) -> (n,)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _weights(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Barycentric weights of points in their triangles, float (n, 3); all are positive inside."""
    (ax, ay), (bx, by), (cx, cy) = (corners[:, place].T for place in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    first = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
    second = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
    return np.column_stack([first, second, 1 - first - second])


def _shade(corners: np.ndarray, distance: float, light: Light) -> np.ndarray:
    """Brightness of each face; its normal is turned to the camera's side, because models have faces turned inside out."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    view = np.array([0.0, 0.0, distance]) - corners.mean(1)
    normals[(normals * view).sum(1) < 0] *= -1
    towards = np.array(light.direction) / np.linalg.norm(light.direction)
    return _snap(light.ambient + light.diffuse * np.maximum(normals @ towards, 0))


def _batches(counts: np.ndarray) -> list[np.ndarray]:
    """Places of the faces that have samples, in runs of about CHUNK samples."""
    faces = np.flatnonzero(counts)
    return [run for run in np.split(faces, np.flatnonzero(np.diff(np.cumsum(counts[faces]) // CHUNK)) + 1) if len(run)]
