"""Does an encoder notice what it has never seen? Scores that tell classes of the probe from others, on held-out data.

The split "ood" of a dataset is what is foreign. Where there is none, a third of the classes is held out by the seed: the
probe never sees them, and their test examples are foreign. Four scores (larger: more familiar): the largest softmax
probability; the energy, logsumexp of the logits (Liu et al. 2020); the cosine to the 10th neighbour (Sun et al. 2022); minus
the least Mahalanobis distance to a class mean under one shrunken covariance (Lee et al. 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TuningSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import calibration, intervals, neighbours
from repbench.measure.geometry import unit_rows
from repbench.outcomes import check_split, single_label, table
from repbench.protocol import Estimate, Outcome
from repbench.protocols import _probe

SCORES = ("max-softmax", "energy", "neighbour", "mahalanobis")
DRAWS = 500


@dataclass(frozen=True, kw_only=True)
class Ood:
    """`held_out`: share of the classes that are foreign where no split is; `k`: which neighbour counts."""

    held_out: float = 1 / 3
    k: int = 10
    version: ClassVar[int] = 2

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, or there are too few classes to hold any out."""
        missing = [split for split in ("train", "val", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        if "ood" not in dataset.split_names and dataset.class_count < 3:
            return f"{dataset.name} has {dataset.class_count} classes: none can be held out."
        return single_label(dataset, "novelty")

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Those of the linear probe, and the split "ood" where there is one."""
        tuning = tuple(Need(dataset=dataset.name, split=split, column=dataset.medium) for split in ("train", "val"))
        reported = "test+ood" if "ood" in dataset.split_names else "test"
        return (*tuning, Need(dataset=dataset.name, split=reported, column=dataset.medium, tuning=False))

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, fewer than two known classes, or where nothing is foreign."""
        (train, val), (test,) = got.tuning, got.test
        for split, what in ((train, "train"), (val, "val"), (test, "test")):
            check_split(split, what)
        known, told = self._known(got, seed)
        fit, choose = (_only(split, known) for split in (train, val))
        foreign = ~np.isin(test.truth, known)
        if foreign.all() or not foreign.any() or not len(choose):
            raise ProtocolError("novelty needs familiar and foreign test examples, and familiar ones of validation.")
        probe = _probe.few_strengths(fit, choose, len(known), "accuracy", got.device)
        scores = _scores(probe, fit, test.x, self.k)
        metrics: dict[str, Estimate] = {}
        rows: dict[str, np.ndarray] = {}
        for name in SCORES:
            rows[name] = _auroc_rows(scores[name], foreign)
            metrics[f"auroc-{name}"] = _mean(rows[name], test.clusters)
            metrics[f"fpr95-{name}"] = _fpr95(scores[name][~foreign], scores[name][foreign], seed)
        return Outcome(
            primary="auroc-neighbour",
            metrics=metrics,
            examples=table(
                {
                    "id": test.ids,
                    "score": rows["neighbour"],
                    "foreign": foreign,
                    **scores,
                    **({} if test.clusters is None else {"cluster": test.clusters}),
                }
            ),
            chance=0.5,
            diagnostics={"classes_known": len(known), **probe.diagnostics, "k": self.k, **told},
        )

    def _known(self, got: Embeddings, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        """The classes that the probe sees, and what is to be told of them.

        A split "ood" has classes of its own, which no example of train has. Without one, a deviating copy that lost a class of
        train holds out those that a whole copy does; what it lost is foreign too.
        """
        names, present = got.test[0].class_names, np.unique(got.tuning[0].label)
        lost = [name for place, name in enumerate(names) if place not in present]
        if lost and not (got.deviates and "ood" not in got.reported):
            return present, {}
        count = max(1, round(self.held_out * len(names)))
        seen = np.sort(np.random.default_rng(seed).permutation(np.arange(len(names)))[count:])
        words = f"{len(lost)} of {len(names)} classes have no example in train, so theirs of test are foreign too"
        return np.intersect1d(seen, present), {"absent_classes": lost, "warnings": [words]} if lost else {}


def _only(split: TuningSplit, known: np.ndarray) -> TuningSplit:
    kept = np.isin(split.label, known)
    return TuningSplit(
        x=split.x[kept],
        ids=split.ids[kept],
        columns={},
        class_names=tuple(split.class_names[one] for one in known),
        label=np.searchsorted(known, split.label[kept]),
    )


def _scores(probe: _probe.Chosen, fit: TuningSplit, x: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The four scores of each row (n,); ties of equal embeddings stay ties."""
    from scipy.special import logsumexp

    logits = probe.scores(x)
    similarities, _ = neighbours.search(x, fit.x, min(k, len(fit)))
    found = {
        "max-softmax": np.exp(calibration.log_probabilities(logits)).max(axis=1),
        "energy": logsumexp(logits, axis=1),
        "neighbour": similarities[:, -1],
        "mahalanobis": -_mahalanobis(unit_rows(fit.x), fit.label, unit_rows(x)),
    }
    return {name: np.round(values, 10) for name, values in found.items()}


def _mahalanobis(x: np.ndarray, label: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Least squared distance (n,) to a class mean, covariance within classes shrunken after Ledoit & Wolf (2004).

    Shrunken, it exists for fewer rows than dimensions too. Rows of zero variance are all at distance 0.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    means = np.stack([x[label == one].mean(axis=0) for one in np.unique(label)])
    centred = x - means[label]
    variance = float((centred**2).mean())
    if variance <= 1e-15:
        return np.zeros(len(queries))
    shrinkage = max(float(ledoit_wolf_shrinkage(centred, assume_centered=True)), 1e-6)
    covariance = (1 - shrinkage) * centred.T @ centred / len(x) + shrinkage * variance * np.eye(x.shape[1])
    root = np.linalg.cholesky(covariance)
    a, b = np.linalg.solve(root, queries.T).T, np.linalg.solve(root, means.T).T
    squares: np.ndarray = ((a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T).min(axis=1)
    floored: np.ndarray = np.maximum(squares, 0.0)
    return floored


def _auroc_rows(score: np.ndarray, foreign: np.ndarray) -> np.ndarray:
    """What each example adds to the AUROC, familiar against foreign (n,): their mean is the AUROC (DeLong et al. 1988)."""
    above, below = calibration.auroc_rows(score[~foreign], score[foreign])
    value = math.fsum(above) / len(above)
    n = len(score)
    rows = np.empty(n)
    rows[~foreign] = value + (above - value) * n / len(above)
    rows[foreign] = value + (below - value) * n / len(below)
    return rows


def _mean(rows: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    value = math.fsum(rows) / len(rows)
    low, high = intervals.normal_mean(rows, groups=clusters)
    return Estimate(value=value, low=max(0.0, low), high=min(1.0, high))


def _fpr95(familiar: np.ndarray, foreign: np.ndarray, seed: int) -> Estimate:
    """Share of the foreign that pass at the threshold that 95 % of the familiar pass; bootstrap over both."""
    familiar, foreign = np.sort(familiar), np.sort(foreign)
    rng = np.random.default_rng(seed)
    drawn = [calibration.passing(rng.choice(familiar, len(familiar)), rng.choice(foreign, len(foreign))) for _ in range(DRAWS)]
    value = calibration.passing(familiar, foreign)
    low, high = intervals.percentiles(np.array(drawn))
    return Estimate(value=value, low=min(low, value), high=max(high, value))
