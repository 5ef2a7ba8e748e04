"""Operators that carry an embedding of one pose to that of another, fitted on known objects.

blind     z' = W z + b, one for all turns: what can be said of z' without knowing the turn
linear    z' = W z + b + (W_t z + b_t), one addition a turn t, shrunk by ridge: without gain it falls back to `blind`
lie       z' = exp(t A) z with skew A, all turns from one generator (Ibrahim et al. 2022 with one direction and t known):
          exp(A step) is the rotation nearest to the pairs one step apart (orthogonal Procrustes), in principal directions
          of unit variance: there a turning embedding seen from all sides does turn, whatever was mixed

An encoder that ignores the pose has nothing to carry: `linear` is no better than `blind`, and every pose is at the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure import ridge

STRENGTHS = tuple(10.0**exponent for exponent in range(-4, 9))
MOST_ANGLES = 72


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Places of rows before and after a turn, int (n,) each, and the turn as a number of `step` degrees."""

    before: np.ndarray
    after: np.ndarray
    turn: np.ndarray
    step: float
    turns: int  # a whole circle in steps


def pair_up(scene: np.ndarray, angle: np.ndarray) -> Pairs:
    """All ordered pairs of rows of one scene (n,) at two angles (n,), in degrees.

    Raises ProtocolError where angles lie on no grid, two rows of a scene have one angle, or no scene has two angles.
    """
    angle = np.round(np.asarray(angle, dtype=np.float64) % 360, 6)
    grid = np.unique(angle)
    if len(grid) < 2:
        raise ProtocolError(f"the angle is constant ({grid[0]:g}): nothing turns." if len(grid) else "there are no rows.")
    step = float(np.diff(np.append(grid, grid[0] + 360)).min())
    place = np.round((angle - grid[0]) / step).astype(np.int64)
    turns = round(360 / step)
    if len(grid) > MOST_ANGLES or np.abs(place * step + grid[0] - angle).max() > 1e-3 or abs(turns * step - 360) > 1e-2:
        raise ProtocolError(
            f"the {len(grid)} angles lie on no grid of at most {MOST_ANGLES} equal steps of a circle "
            f"({', '.join(f'{one:g}' for one in grid[:6])}, ...): an operator a turn needs one."
        )
    _, own = np.unique(scene.astype(str), return_inverse=True)
    table = np.full((own.max() + 1, turns), -1)
    rows = np.arange(len(own))
    table[own, place] = rows
    if (table[own, place] != rows).any():
        raise ProtocolError("two pictures of one object have one angle: name in `fixed` the factors in which they differ.")
    found = [(table, np.roll(table, -turn, axis=1), turn) for turn in range(1, turns)]
    kept = [(a[(a >= 0) & (b >= 0)], b[(a >= 0) & (b >= 0)], turn) for a, b, turn in found]
    before, after = (np.concatenate([one[side] for one in kept]) for side in (0, 1))
    if not len(before):
        raise ProtocolError("no object is seen from two angles.")
    turn = np.concatenate([np.full(len(a), turn) for a, _, turn in kept])
    return Pairs(before=before, after=after, turn=turn, step=step, turns=turns)


@dataclass(frozen=True, kw_only=True)
class Operators:
    """What was fitted: predictions of each operator for rows z (n, m) that turn by turn (n,) steps."""

    blind: ridge.RidgePath
    blind_place: int
    additions: dict[int, tuple[ridge.RidgePath, int]]
    rotation: np.ndarray  # by one step, of rows less `mean` and by `scale`
    mean: np.ndarray
    scale: np.ndarray

    def predict(self, name: str, z: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Predictions (n, m) of "identity", "blind", "linear" or "lie"."""
        if name == "identity":
            return z
        if name == "lie":
            powers = {int(one): np.linalg.matrix_power(self.rotation, int(one)) for one in np.unique(turn)}
            unit = (z - self.mean) / self.scale
            turned: np.ndarray = self._each(unit, turn, lambda rows, one: rows @ powers[one].T) * self.scale + self.mean
            return turned
        found = self.blind.predict(z, np.full(z.shape[1], self.blind_place))
        if name == "linear":
            found = found + self._each(z, turn, self._addition)
        return found

    def _addition(self, rows: np.ndarray, one: int) -> np.ndarray:
        if one not in self.additions:
            return np.zeros_like(rows)
        path, place = self.additions[one]
        found: np.ndarray = path.predict(rows, np.full(rows.shape[1], place))
        return found

    def _each(self, z: np.ndarray, turn: np.ndarray, of: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
        found: np.ndarray = np.empty_like(z)
        for one in np.unique(turn):
            found[turn == one] = of(z[turn == one], int(one))
        return found


def fit_operators(z: np.ndarray, pairs: Pairs, held: np.ndarray) -> Operators:
    """Operators from rows z float (n, m) and their pairs; `held`, bool (n,), are the rows whose objects choose strengths.

    Raises ProtocolError where no pair is left to fit to or to choose by.
    """
    choosing = held[pairs.before]
    if choosing.all() or not choosing.any():
        raise ProtocolError(f"{len(choosing)} pairs of known objects are too few to fit to and to choose a strength by.")
    before, after = z[pairs.before], z[pairs.after]
    blind, place = _chosen(before, after, choosing)
    rest = after - blind.predict(before, np.full(z.shape[1], place))
    additions = {}
    for turn in np.unique(pairs.turn):
        own = pairs.turn == turn
        if (own & choosing).any() and (own & ~choosing).sum() > 2:
            additions[int(turn)] = _chosen(before[own], rest[own], choosing[own])
    first = pairs.turn == 1
    mean, spread = z.mean(axis=0), z.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    rotation = np.eye(z.shape[1])
    if first.any():
        rotation = _rotation((before[first] - mean) / scale, (after[first] - mean) / scale)
    return Operators(blind=blind, blind_place=place, additions=additions, rotation=rotation, mean=mean, scale=scale)


def _chosen(x: np.ndarray, y: np.ndarray, choosing: np.ndarray) -> tuple[ridge.RidgePath, int]:
    """The path on all rows, and the place of the strength that fits the held ones best when it is fitted to the others."""
    ahead = ridge.fit_path(x[~choosing], y[~choosing], STRENGTHS).predict_all(x[choosing])
    place = ridge.strongest_of_best(((ahead - y[choosing]) ** 2).mean(axis=(1, 2)))
    return ridge.fit_path(x, y, STRENGTHS), place


def _rotation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The rotation R, of determinant 1, with least |x R' - y|: so R = exp(A) with A skew."""
    u, _, vt = np.linalg.svd(y.T @ x)
    if np.linalg.det(u @ vt) < 0:
        u[:, -1] = -u[:, -1]
    found: np.ndarray = u @ vt
    return found


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """For each query (n,): candidates strictly nearer than the right one, candidates as near as it (with it), candidates."""

    nearer: np.ndarray
    tied: np.ndarray
    candidates: np.ndarray

    def reciprocal(self) -> np.ndarray:
        """Mean of 1 / rank over the ranks that the tied share, (n,)."""
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(self.candidates.max()) + 1))])
        found: np.ndarray = (harmonic[self.nearer + self.tied] - harmonic[self.nearer]) / self.tied
        return found

    def hit(self, k: int) -> np.ndarray:
        """Chance that the right one is among the first k when ties are broken at random, (n,)."""
        found: np.ndarray = np.clip((k - self.nearer) / self.tied, 0.0, 1.0)
        return found

    def chance(self) -> np.ndarray:
        """`reciprocal` of guessing, (n,): (1 + 1/2 + ... + 1/c) / c."""
        return Ranked(nearer=np.zeros_like(self.nearer), tied=self.candidates, candidates=self.candidates).reciprocal()


def rank(predicted: np.ndarray, z: np.ndarray, scene: np.ndarray, pairs: Pairs) -> Ranked:
    """Where each pair's row after the turn stands among all rows of its scene, by distance to the prediction.

    `predicted` float (pairs, m), z (n, m), scene (n,). Distances that differ by rounding count as equal.
    """
    _, own = np.unique(scene.astype(str), return_inverse=True)
    nearer, tied, candidates = (np.zeros(len(predicted), dtype=np.int64) for _ in range(3))
    scale = max(float(np.abs(z).max()), 1e-300) ** 2 * z.shape[1]
    for one in np.unique(own[pairs.before]):
        queries, rows = np.flatnonzero(own[pairs.before] == one), np.flatnonzero(own == one)
        distances = ((predicted[queries][:, None] - z[rows][None]) ** 2).sum(axis=2)
        right = ((predicted[queries] - z[pairs.after[queries]]) ** 2).sum(axis=1)[:, None]
        close = np.abs(distances - right) <= 1e-12 * scale
        nearer[queries] = ((distances < right) & ~close).sum(axis=1)
        tied[queries], candidates[queries] = close.sum(axis=1), len(rows)
    return Ranked(nearer=nearer, tied=tied, candidates=candidates)
