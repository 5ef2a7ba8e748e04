"""Alignment and uniformity on the unit sphere (Wang & Isola 2020) and tolerance (Wang & Liu 2021): quality without a probe.

The primary metric is their combined objective, weight x alignment + uniformity, since either alone rewards a fault: a collapsed
encoder aligns perfectly, and noise is perfectly uniform. At the default weight of 2 (their settings lie within 0.5 to 4) both
faults score 0: collapse 2 x 0 + 0, noise on a sphere of many dimensions 2 x 2 - 4. A good encoder is below. Alignment depends
on the augmentation of the two crops, so compare only results of one version of the view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import geometry, intervals
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome

COLLAPSED = -0.01  # uniformity above this: the mean squared distance between images is below 0.005 at t = 2


@dataclass(frozen=True, kw_only=True)
class AlignmentUniformity:
    """`alpha`: power of the distance in alignment; `t`: scale of the potential in uniformity; `weight`: that of alignment."""

    alpha: float = 2.0
    t: float = 2.0
    weight: float = 2.0
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if min(self.alpha, self.t, self.weight) <= 0:
            raise ValueError(f"alpha {self.alpha}, t {self.t} and weight {self.weight}: expected numbers above 0.")

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: test is missing, or there are no images to crop."""
        if "test" not in dataset.split_names:
            return f"{dataset.name} has no split 'test'."
        modality = dataset.columns[dataset.medium]
        return "" if modality == "image" else f"two crops are taken of images; {dataset.name} has {modality}."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Test in two crops for alignment, and plain for uniformity and tolerance."""
        return tuple(
            Need(dataset=dataset.name, split="test", column=dataset.medium, view=view, tuning=False)
            for view in ("two-crops", "plain")
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for fewer than two images, zero vectors, values not finite, or views of different images."""
        crops, plain = got.test
        _check(crops, plain)
        alignment = geometry.alignment_rows(crops.x[:, 0], crops.x[:, 1], self.alpha)
        uniformity = intervals.log_u_contributions(geometry.potentials(plain.x, self.t))
        rows = {"loss": self.weight * alignment + uniformity, "alignment": alignment, "uniformity": uniformity}
        metrics = {name: _estimate(values) for name, values in rows.items()}
        diagnostics: dict[str, Any] = {"collapsed": metrics["uniformity"].value > COLLAPSED}
        if plain.truth.ndim == 1 and np.bincount(plain.truth).max() > 1:
            metrics["tolerance"] = _estimate(geometry.tolerance_contributions(plain.x, plain.truth))
        else:
            diagnostics["warnings"] = ["tolerance is undefined: no two test images share their one class."]
        score = rows.pop("loss")
        return Outcome(
            primary="loss",
            metrics=metrics,
            examples=table({"id": plain.ids, "score": score, **rows}),
            chance=0.0,
            higher_is_better=False,
            diagnostics=diagnostics,
        )


def _estimate(contributions: np.ndarray) -> Estimate:
    low, high = intervals.normal_mean(contributions)
    return Estimate(value=math.fsum(contributions) / len(contributions), low=low, high=high)


def _check(crops: TestSplit, plain: TestSplit) -> None:
    check_split(crops, "test (two crops)", dimensions=3)
    check_split(plain, "test")
    if crops.x.shape[1] != 2:
        raise ProtocolError(f"alignment is over two crops of an image; got {crops.x.shape[1]}.")
    if not np.array_equal(crops.ids, plain.ids):
        raise ProtocolError("the two views of test are not of the same images in the same order.")
