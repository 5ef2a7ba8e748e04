"""Does the embedding turn when the object turns? An operator fitted on known objects predicts the turned view of unknown ones.

For every turn of the angle's grid a linear operator, and for all of them one rotation (a Lie operator, exp(t A)), are fitted on
pairs of views of train's objects, in the leading directions of their embeddings. On test's objects:

    r2      1 - |g z - z'|^2 / |blind z - z'|^2: what knowing the turn is worth, over the best operator that does not know it
    mrr     mean reciprocal rank of the true view z' among all views of its object, by distance to g z      (primary)
    hit@k   share of true views among the nearest k

Ties share their ranks, so an encoder that ignores the pose scores chance, and has an r2 of 0. The records of "identity" and
"blind" stand beside. After Garrido et al. 2023 (SIE, section 4), with the same candidates and a known turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.digests import digest_text
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import equivariance, intervals
from repbench.measure.explained import ratio_contributions
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome

HITS = (1, 3, 5)
HELD = 5  # one known object in so many chooses the strengths
STILL = 1e-9  # share of the variance below which nothing moves
NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Equivariance:
    """`instance` and `angle` (degrees, on a grid) name columns; views of a pair agree in those of `fixed` that there are.

    `directions`: principal ones of the known objects' embeddings that are kept.
    """

    instance: str = "instance"
    angle: str = "azimuth"
    fixed: tuple[str, ...] = ("elevation", "lighting", "background")
    directions: int = 64
    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, or instance and angle are not declared as factors."""
        missing = [split for split in ("train", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        lacking = [name for name in (self.instance, self.angle) if name not in dataset.factors]
        return f"{dataset.name} declares no factor {' and no factor '.join(map(repr, lacking))}." if lacking else ""

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Train to fit and to choose, test to report."""
        train = Need(dataset=dataset.name, split="train", column=dataset.medium)
        return train, Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False)

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for a missing column, angles on no grid, or too few objects."""
        (train,), (test,) = got.tuning, got.test
        for split, what in ((train, "train"), (test, "test")):
            check_split(split, what)
        known, unknown = self._views(train, "train"), self._views(test, "test")
        objects = np.unique(known.object)
        if len(objects) < 2:
            raise ProtocolError(f"train has {len(objects)} object; two are needed, one to fit to and one to choose a strength.")
        if unknown.pairs.step != known.pairs.step:
            raise ProtocolError(f"angles are {known.pairs.step:g} degrees apart in train and {unknown.pairs.step:g} in test.")
        z, seen, share = _leading(train.x, test.x, self.directions)
        drawn = sorted(objects.tolist(), key=lambda one: digest_text(str(seed), str(one)))
        held = np.isin(known.object, drawn[: max(1, len(drawn) // HELD)])
        operators = equivariance.fit_operators(z, known.pairs, held)
        return _outcome(operators, seen, unknown, test, share)

    def _views(self, split: TuningSplit | TestSplit, what: str) -> _Views:
        for name in (self.instance, self.angle):
            if name not in split.columns:
                raise ProtocolError(f"there is no column {name!r}; there are {', '.join(sorted(split.columns)) or 'none'}.")
        try:
            angle = split.columns[self.angle].astype(float)
        except ValueError as error:
            raise ProtocolError(f"the column {self.angle!r} holds text ({error}); an angle is a number of degrees.") from error
        fixed = [split.columns[name].astype(str) for name in self.fixed if name in split.columns]
        own = split.columns[self.instance].astype(str)
        scene = np.array(["\0".join(parts) for parts in zip(own, *fixed, strict=True)])
        try:
            pairs = equivariance.pair_up(scene, angle)
        except ProtocolError as error:
            raise ProtocolError(f"{what}, {self.angle!r}: {error}") from error
        return _Views(object=own, scene=scene, pairs=pairs)


@dataclass(frozen=True, kw_only=True)
class _Views:
    object: np.ndarray
    scene: np.ndarray
    pairs: equivariance.Pairs


def _outcome(operators: equivariance.Operators, z: np.ndarray, views: _Views, test: TestSplit, share: float) -> Outcome:
    pairs = views.pairs
    before, after, own = z[pairs.before], z[pairs.after], views.object[pairs.before]
    missed, ranked = {}, {}
    for name in ("identity", "blind", "linear", "lie"):
        predicted = operators.predict(name, before, pairs.turn)
        missed[name] = ((predicted - after) ** 2).sum(axis=1)
        ranked[name] = equivariance.rank(predicted, z, views.scene, pairs)
    spread = float(((z - z.mean(axis=0)) ** 2).sum(axis=1).mean())
    moved = float(missed["identity"].mean()) / max(2 * spread, 1e-300)
    metrics: dict[str, Estimate] = {}
    for name, one in ranked.items():
        metrics[f"{name}-mrr"] = _estimate(one.reciprocal(), own)
        metrics |= {f"{name}-hit@{k}": _estimate(one.hit(k), own) for k in HITS}
        if name in ("linear", "lie"):
            still = moved < STILL or not missed["blind"].sum() > STILL * spread
            metrics[f"{name}-r2"] = Estimate(value=0.0, low=0.0, high=0.0) if still else _r2(missed[name], missed["blind"], own)
    primary = ranked["linear"].reciprocal()
    examples = table(
        {
            "id": [f"{test.ids[a]} to {test.ids[b]}" for a, b in zip(pairs.before, pairs.after, strict=True)],
            "turn": pairs.turn * pairs.step,
            "score": primary,
            "cluster": own,
        }
    )
    diagnostics: dict[str, Any] = {
        "pairs": len(pairs.before),
        "step": pairs.step,
        "directions": z.shape[1],
        "share_of_variance": share,
        "moved": moved,  # mean squared way of a turn, as a share of that between any two views
        "ignores_pose": moved < STILL,
        "tied": float((ranked["linear"].tied > 1).mean()),
        "chance": {f"hit@{k}": float(np.minimum(k / ranked["linear"].candidates, 1).mean()) for k in HITS},
    }
    metrics = {"mrr": metrics["linear-mrr"], **{name: one for name, one in metrics.items() if name != "linear-mrr"}}
    chance = float(ranked["linear"].chance().mean())
    return Outcome(primary="mrr", metrics=metrics, examples=examples, chance=chance, diagnostics=diagnostics)


def _estimate(rows: np.ndarray, clusters: np.ndarray) -> Estimate:
    low, high = intervals.normal_mean(rows, groups=clusters)
    return Estimate(value=float(rows.mean()), low=low, high=high)


def _r2(missed: np.ndarray, base: np.ndarray, clusters: np.ndarray) -> Estimate:
    return _estimate(ratio_contributions(missed, base), clusters)


def _leading(train: np.ndarray, test: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Both in the principal directions of train, (n, m) each, in units of train's deviation; their share of its variance."""
    x = train.astype(np.float64)
    mean = x.mean(axis=0)
    x -= mean
    s, vt = _principal(x[:: max(1, len(x) // 1024)])
    kept = s > max(1e-6 * float(s[0]), 1e-5 * float(np.abs(mean).max()), 1e-12)  # less is rounding of float32
    if not kept.any():
        return np.zeros((len(train), 1)), np.zeros((len(test), 1)), 0.0
    basis = vt[kept][:most].T
    z, far = x @ basis, (test.astype(np.float64) - mean) @ basis
    scale = float(np.sqrt((z * z).sum(axis=1).mean()))
    return z / scale, far / scale, float((z * z).sum() / (x * x).sum())


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (r,), the largest first, and right vectors (r, d), by the smaller Gram matrix."""
    wide = x.shape[1] > len(x)
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    s, vectors = np.sqrt(np.maximum(values[::-1], 0)), vectors[:, ::-1]
    return s, (x.T @ vectors / np.maximum(s, 1e-300)).T if wide else vectors.T
