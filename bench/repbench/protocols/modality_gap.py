"""How far images and texts of one encoder lie apart on their shared sphere (Liang et al. 2022). It describes: no judgement.

    gap = |mean of unit images - mean of unit texts|, between 0 and 2

A gap is no fault by itself: moving one modality along it changes the scores of no image against the others much, and zero-shot
hardly. Beside it stand the two cones' cosine and width, and how well a linear rule tells the modalities apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import intervals
from repbench.measure.geometry import mean_cosine_contributions, normalised
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome


@dataclass(frozen=True, kw_only=True)
class ModalityGap:
    """No options."""

    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: no images, no test split, or no prompts."""
        modality = dataset.columns[dataset.medium]
        if modality != "image" or "test" not in dataset.split_names:
            return f"the gap is between images of test and their prompts; {dataset.name} has {modality}."
        if dataset.is_multilabel:
            return f"the gap compares an image with the prompts of its class; those of {dataset.name} can have several."
        return "" if dataset.prompts is not None else f"{dataset.name} has no prompts. Declare [prompts] with templates."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """The class prompts as text, and test as images: what zero-shot needs."""
        return (
            Need(dataset=dataset.name, split="prompts", column="text"),
            Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False),
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for zero vectors, unequal widths, an empty split or values that are not finite."""
        (prompts,), (test,) = got.tuning, got.test
        check_split(prompts, "prompts")
        check_split(test, "test")
        if prompts.x.shape[1] != test.x.shape[1]:
            raise ProtocolError(f"images have {test.x.shape[1]} dimensions and texts {prompts.x.shape[1]}: no shared space.")
        images, texts = normalised(test.x), normalised(prompts.x)
        centres = np.stack([texts[prompts.label == one].mean(axis=0) for one in range(len(test.class_names))])
        delta = images.mean(axis=0) - texts.mean(axis=0)
        gap = float(np.linalg.norm(delta))
        direction = delta / gap if gap > 0 else np.zeros_like(delta)
        rows = images @ direction - float(texts.mean(axis=0) @ direction)  # their mean is the gap
        own = np.einsum("ij,ij->i", images, centres[test.truth])
        return Outcome(
            primary="gap",
            metrics={
                "gap": _estimate(rows),
                "cosine-of-means": _estimate(_cosine_rows(images, texts.mean(axis=0))),
                "cosine-to-own-class": _estimate(own),
                "mean-cosine-of-images": _estimate(mean_cosine_contributions(images)),
                "mean-cosine-of-texts": _estimate(mean_cosine_contributions(texts)),
                "separability": _separability(images, texts, seed),
            },
            examples=table({"id": test.ids, "score": rows, "cosine": own}),
            chance=None,
            judges=False,
            diagnostics={"prompts": len(prompts), "images": len(test)},
        )


def _estimate(rows: np.ndarray) -> Estimate:
    low, high = intervals.normal_mean(rows)
    return Estimate(value=float(np.mean(rows)), low=low, high=high)


def _cosine_rows(images: np.ndarray, text: np.ndarray) -> np.ndarray:
    """What each image adds to the cosine of the two means (n,): Hajek's projection; zeros where a mean is zero."""
    mean = images.mean(axis=0)
    a, b = float(np.linalg.norm(mean)), float(np.linalg.norm(text))
    if a * b < 1e-12:
        return np.zeros(len(images))
    cosine = float(mean @ text) / (a * b)
    rows: np.ndarray = cosine + images @ text / (a * b) - cosine * (images @ mean) / a**2
    return rows


def _separability(images: np.ndarray, texts: np.ndarray, seed: int) -> Estimate:
    """Balanced accuracy of the least-squares rule between the modalities, fitted on one half of each, judged on the other."""
    rng = np.random.default_rng(seed)
    halves = []
    for x in (images, texts):
        x = x[np.lexsort(x.T)]  # so that the order of rows does not matter
        x = x[rng.permutation(len(x))]
        halves.append((x[::2], x[1::2]))
    (fit_i, judge_i), (fit_t, judge_t) = halves
    if min(map(len, (fit_i, judge_i, fit_t, judge_t))) < 2:
        return Estimate(value=0.5, low=0.0, high=1.0)
    x = np.concatenate([fit_i, fit_t])
    y = np.concatenate([np.full(len(fit_i), 0.5 / len(fit_i)), np.full(len(fit_t), -0.5 / len(fit_t))])
    weight = np.abs(y)
    centre = weight @ x
    scatter = (x - centre).T @ ((x - centre) * weight[:, None]) + 1e-6 * np.eye(x.shape[1])
    direction = np.linalg.solve(scatter, fit_i.mean(axis=0) - fit_t.mean(axis=0))
    margins = (judge_i - centre) @ direction, -((judge_t - centre) @ direction)
    shares = [np.where(margin > 1e-12, 1.0, np.where(margin < -1e-12, 0.0, 0.5)) for margin in margins]
    low, high = intervals.mean_per_class(np.concatenate(shares), np.repeat([0, 1], [len(s) for s in shares]), seed)
    return Estimate(value=float(np.mean([share.mean() for share in shares])), low=low, high=high)
