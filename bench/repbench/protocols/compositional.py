"""Does the true caption lie nearer to its image than a hard negative? Dot products of unit embeddings, by the probe's own rule.

Images and captions are embedded once each. A tie earns what guessing among the tied earns on average, so that a constant
encoder scores exactly chance (measure/pairs.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.probe import RULES
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import AnyNeed, Need
from repbench.errors import ProtocolError
from repbench.measure import blind, intervals, pairs
from repbench.measure.geometry import unit_rows
from repbench.outcomes import check_split
from repbench.protocol import Estimate, Outcome
from repbench.protocols._blind import OWN_TEXT, another, beside_blind, text_judges, true_captions
from repbench.protocols._composition import check_aligned, no_probe, outcome


@dataclass(frozen=True, kw_only=True)
class Compositional:
    """It has no options: the rule is the probe's."""

    version: ClassVar[int] = 4

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: the dataset declares no probe."""
        return no_probe(dataset)

    def needs(self, dataset: DatasetDeclaration) -> tuple[AnyNeed, ...]:
        """Every image and every caption of test, each once: images first. The true captions of the split to tune on. And what
        judges of text make of the captions of test.
        """
        assert dataset.probe is not None
        probe, captions = dataset.probe, dataset.probe.captions_of(dataset.columns)
        columns = (*probe.images_of(dataset.columns), *captions)
        true = true_captions(probe.rule, captions) if probe.tuning else ()
        return (
            *(Need(dataset=dataset.name, split="test", column=column, tuning=False) for column in columns),
            *(Need(dataset=dataset.name, split=probe.tuning, column=column) for column in true),
            *text_judges(dataset, "test"),
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for values not finite, unequal widths, or columns that do not fit the rule."""
        if got.probe is None:
            raise ProtocolError("the dataset declares no [probe]: there is no rule to judge by.")
        for split in got.test:
            check_split(split, "test")
        for true in got.tuning:
            check_split(true, "tuning")
        check_aligned(got.test)
        count = _images(got.probe.rule, len(got.test))
        images, captions = (tuple(unit_rows(one.x) for one in part) for part in (got.test[:count], got.test[count:]))
        if len({one.shape[1] for one in (*images, *captions)}) > 1:
            raise ProtocolError(
                f"images have {images[0].shape[1]} dimensions and texts {captions[0].shape[1]}: "
                "the encoder's image and text towers share no space, so nothing can be compared."
            )
        scores = dot_products(images, captions)
        found = outcome(scores, got.test[0], got.probe, seed, _zeros(got.test, count))
        found = self._beside(found, scores, got, (images, captions), seed)
        if got.probe.rule != "two-true-captions":
            return found
        return replace(found, metrics={**found.metrics, "text-only": _text_only(captions, got.test[0], seed)})

    def _beside(
        self,
        found: Outcome,
        scores: np.ndarray,
        got: Embeddings,
        units: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]],
        seed: int,
    ) -> Outcome:
        """With blind rules and shuffled images beside it; `units`: the unit rows of images and of captions."""
        assert got.probe is not None
        images, captions = units
        true = true_captions(got.probe.rule, tuple(f"caption_{k}" for k in range(len(captions)))) if got.tuning else ()
        texts = [str(text) for split, name in zip(got.tuning, true, strict=True) for text in split.columns[name]]
        following = another(got.test[0].ids, seed, got.test[0].clusters)
        own = {}
        if got.tuning:
            own[OWN_TEXT] = blind.typicality(np.stack(captions, axis=1), np.concatenate([split.x for split in got.tuning]))
        return beside_blind(
            found,
            scores,
            got,
            seed,
            fitted_on=texts,
            own=own,
            shuffled=dot_products(tuple(one[following] for one in images), captions),
        )


def dot_products(images: tuple[np.ndarray, ...], captions: tuple[np.ndarray, ...]) -> np.ndarray:
    """Scores float64 (n, images, captions) of unit rows (n, dim) of each column."""
    return np.stack([np.stack([np.einsum("nd,nd->n", i, c) for c in captions], axis=1) for i in images], axis=1)


def _images(rule: str, columns: int) -> int:
    """How many of the columns are images."""
    form = RULES[rule]
    return form.images or columns - form.captions


def _zeros(test: tuple[TestSplit, ...], count: int) -> dict[str, int]:
    zeros = [int((~one.x.any(axis=1)).sum()) for one in test]
    return {"zero_images": sum(zeros[:count]), "zero_captions": sum(zeros[count:])}


def _text_only(captions: tuple[np.ndarray, ...], test: TestSplit, seed: int) -> Estimate:
    """SugarCrepe++'s text-only form: the two true captions are nearer to each other than either is to the false one."""
    first, second, false = captions
    near, one, other = (np.einsum("nd,nd->n", a, b) for a, b in ((first, second), (first, false), (second, false)))
    credit = pairs.first_of(np.stack([near, one, other], axis=1)).credits["accuracy"]
    low, high = intervals.proportion(credit, seed, groups=test.clusters)
    return Estimate(value=float(credit.mean()), low=low, high=high)
