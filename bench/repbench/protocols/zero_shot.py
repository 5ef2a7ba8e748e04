"""Zero-shot classification by prompts (CLIP, Radford et al. 2021, 3.1): the class whose mean prompt is nearest.

Each prompt embedding is normalised, averaged over the prompts of its class and normalised again; a class scores
100 x image . class. The factor is the cap of CLIP's learnt temperature; it moves no prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure.geometry import unit_rows
from repbench.outcomes import check_classes, check_split, classification_outcome
from repbench.protocol import Outcome
from repbench.protocols._priors import accuracy_by_frequency, prediction_prior

SCALE = 100.0


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """It has no options: the prompts are the dataset's."""

    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: no images, no test split, no prompts, or one class only."""
        modality = dataset.columns[dataset.medium]
        if modality != "image":
            return f"zero-shot compares images with prompts; {dataset.name} has {modality}."
        if "test" not in dataset.split_names:
            return f"{dataset.name} has no split 'test'."
        if dataset.prompts is None:
            return f"{dataset.name} has no prompts. Declare [prompts] with templates."
        return "" if dataset.class_count > 1 else f"{dataset.name} has one class only."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """The class prompts as text, and test as images."""
        return (
            Need(dataset=dataset.name, split="prompts", column="text"),
            Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False),
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, a class without prompts, unequal widths, or values not finite."""
        (prompts,), (test,) = got.tuning, got.test
        check(prompts, test)
        scores = SCALE * unit_rows(test.x) @ class_embeddings(prompts.x, prompts.label, len(test.class_names)).T
        return classification_outcome(
            scores,
            test,
            got.metric,
            seed,
            further=accuracy_by_frequency(scores, test, seed),
            diagnostics={
                **prediction_prior(scores, test),
                "prompts": len(prompts),
                "zero_prompts": int((~prompts.x.any(axis=1)).sum()),
                "zero_images": int((~test.x.any(axis=1)).sum()),
            },
        )


def class_embeddings(prompts: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """Unit vectors (classes, dim), float64, of prompt embeddings (n, dim); zeros for a class whose prompts are all zeros."""
    sums = np.zeros((classes, prompts.shape[1]))
    np.add.at(sums, label, unit_rows(prompts))
    return unit_rows(sums / np.bincount(label, minlength=classes)[:, None])


def check(prompts: TuningSplit, test: TestSplit) -> None:
    """Raise ProtocolError for what zero-shot cannot use."""
    check_split(prompts, "prompts")
    check_split(test, "test")
    check_classes(test.class_names, prompts.label, "the prompts")
    if prompts.x.shape[1] != test.x.shape[1]:
        raise ProtocolError(
            f"images have {test.x.shape[1]} dimensions and texts {prompts.x.shape[1]}: "
            "the encoder's image and text towers share no space, so zero-shot is undefined for it."
        )
