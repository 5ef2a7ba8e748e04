"""How many directions tell items apart from their own augmentations: LiDAR (Thilak et al. 2024). No labels, no judgement.

An item's class is itself: the clean image and two random crops. Unlike a plain rank it does not count directions in which
the augmentations move. It describes and takes no part in ranks and means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure.lidar import lidar
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome

BLOCKS = 10  # of the jackknife
STILL = 1e-6  # of the largest coordinate: below it nothing moves


@dataclass(frozen=True, kw_only=True)
class Lidar:
    """`items`: of so many test images at most (the paper: about a thousand); `delta`: added to the scatter within items."""

    items: int = 100
    delta: float = 1e-4
    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: test is missing, or there are no images to crop."""
        if "test" not in dataset.split_names:
            return f"{dataset.name} has no split 'test'."
        modality = dataset.columns[dataset.medium]
        return "" if modality == "image" else f"two crops are taken of images; {dataset.name} has {modality}."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Test in two crops, and plain."""
        return tuple(
            Need(dataset=dataset.name, split="test", column=dataset.medium, view=view, tuning=False)
            for view in ("two-crops", "plain")
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """The value, with an interval by the jackknife over blocks of items. Raises ProtocolError for fewer than four."""
        crops, plain = got.test
        check_split(crops, "test (two crops)", dimensions=3)
        check_split(plain, "test")
        if not np.array_equal(crops.ids, plain.ids):
            raise ProtocolError("the two views of test are not of the same images in the same order.")
        order = np.argsort(plain.ids.astype(str), kind="stable")
        order = np.random.default_rng(seed).permutation(order)[: self.items]
        views = np.concatenate([plain.x[order][:, None], crops.x[order]], axis=1)
        value = lidar(views, self.delta)
        half = _half_width(views, value, self.delta)
        diagnostics = {"items": len(views), "views": views.shape[1], "dimensions": views.shape[2], "delta": self.delta}
        return Outcome(
            primary="lidar",
            metrics={"lidar": Estimate(value=value, low=value - half, high=value + half)},
            examples=table({"id": plain.ids, "score": np.full(len(plain), value)}),
            chance=None,
            judges=False,
            diagnostics={**diagnostics, "collapsed": bool(np.ptp(views, axis=(0, 1)).max() <= STILL * np.abs(views).max())},
        )


def _half_width(views: np.ndarray, value: float, delta: float) -> float:
    """Half a 95 % interval, from the values with one of (at most) ten blocks of items left out."""
    from scipy.stats import t

    blocks = min(BLOCKS, len(views))
    if blocks < 4:
        raise ProtocolError(f"LiDAR over {len(views)} images says nothing; it needs at least four.")
    block = np.arange(len(views)) % blocks
    left_out = np.array([lidar(views[block != one], delta) for one in range(blocks)])
    pseudo = blocks * value - (blocks - 1) * left_out
    return float(t.ppf(0.975, blocks - 1)) * float(pseudo.std(ddof=1)) / float(np.sqrt(blocks))
