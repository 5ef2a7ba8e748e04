"""Does the text tower notice the order of words? This describes and judges nothing: who notices it need not understand it.

Two questions: are two captions of the same words one to the tower (their embeddings equal, so that they score the same against
every image; Yuksekgonul et al. 2023 call such a tower a bag of words), and how far does shuffling the words move a caption,
beside the distance of captions of different examples?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import blind, intervals
from repbench.measure.geometry import unit_rows
from repbench.measure.pairs import RESOLUTION
from repbench.outcomes import check_split
from repbench.protocol import Estimate, Outcome
from repbench.protocols._blind import another

PRIMARY = "shuffle-distance"


@dataclass(frozen=True, kw_only=True)
class WordOrder:
    """It has no options: words are shuffled by the view `shuffled-words`, from the seed of the run and each text."""

    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: the dataset declares no probe."""
        return "" if dataset.probe is not None else f"{dataset.name} declares no [probe], so it has no captions to shuffle."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """The first captions of test with their words shuffled, then all captions as they are."""
        assert dataset.probe is not None
        captions = dataset.probe.captions_of(dataset.columns)
        return (
            Need(dataset=dataset.name, split="test", column=captions[0], view="shuffled-words", tuning=False),
            *(Need(dataset=dataset.name, split="test", column=column, tuning=False) for column in captions),
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for values not finite and columns of different examples."""
        import pandas as pd

        for split in got.test:
            check_split(split, "test")
        shuffled, *captions = got.test
        if any(not np.array_equal(split.ids, shuffled.ids) for split in captions):
            raise ProtocolError("the columns of the probe have different examples: they cannot be put side by side.")
        x = [unit_rows(split.x) for split in captions]
        moved = _distance(unit_rows(shuffled.x), x[0])
        others = _distance(x[0], x[0][another(shuffled.ids, seed)])
        metrics = {
            PRIMARY: _estimate(moved, shuffled, seed),
            "distance-of-different-examples": _estimate(others, shuffled, seed),
        }
        return Outcome(
            primary=PRIMARY,
            metrics={**metrics, **_same_words(x, captions, seed)},
            examples=pd.DataFrame({"id": shuffled.ids, "score": moved}),
            chance=None,
            judges=False,
            diagnostics={"captions": len(captions)},
        )


def _same_words(x: list[np.ndarray], captions: list[TestSplit], seed: int) -> dict[str, Estimate]:
    """How often two captions of an example that have the same words are equal to the tower, and their distance."""
    names = [f"caption_{k}" for k in range(len(captions))]
    columns = captions[0].columns
    if any(name not in columns for name in names):
        return {}
    distances, clusters = [], []
    for one, other in combinations(range(len(captions)), 2):
        pairs = list(zip(columns[names[one]].tolist(), columns[names[other]].tolist(), strict=True))
        rows = np.flatnonzero(blind.same_words(pairs) & np.array([a != b for a, b in pairs]))
        distances.append(_distance(x[one][rows], x[other][rows]))
        clusters.append(captions[0].ids[rows])
    found, groups = (
        np.concatenate(distances) if distances else np.zeros(0),
        np.concatenate(clusters) if clusters else np.zeros(0),
    )
    if not len(found):
        return {}
    equal = (found <= RESOLUTION).astype(np.float64)
    return {
        "equal-for-same-words": _bounded(equal, intervals.proportion(equal, seed, groups=groups)),
        "distance-of-same-words": _bounded(found, intervals.bootstrap_mean(found, seed, groups=groups)),
    }


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cosine (n,) of unit rows (n, dim)."""
    found: np.ndarray = 1 - np.einsum("nd,nd->n", a, b)
    return found


def _estimate(values: np.ndarray, split: TestSplit, seed: int) -> Estimate:
    groups = split.ids if split.clusters is None else split.clusters
    return _bounded(values, intervals.bootstrap_mean(values, seed, groups=groups))


def _bounded(values: np.ndarray, interval: tuple[float, float]) -> Estimate:
    value = math.fsum(values) / len(values)
    return Estimate(value=value, low=min(interval[0], value), high=max(interval[1], value))
