"""Retrieval between images and their captions, both ways, where an image has several captions or a caption several images.

Cosine of unit embeddings; recall at 1, 5 and 10 and mean reciprocal rank, image to text over the images and text to image over
the captions (Karpathy & Fei-Fei 2015; CLIP, Radford et al. 2021). Equal similarities score the mean over their orders
(measure/retrieval.py). The primary metric is the mean of both recalls at 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import PAIR, DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import intervals, retrieval
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome

AT = (1, 5, 10)
PRIMARY = "recall-at-1"


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """No options."""

    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: no images, no test split, or no captions."""
        modality = dataset.columns[dataset.medium]
        if modality != "image" or "test" not in dataset.split_names:
            return f"retrieval is between images of test and their captions; {dataset.name} has {modality}."
        return "" if dataset.captions is not None else f"{dataset.name} has no captions. Declare [captions] with a column."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Test as images, and its captions as text; both are reported on."""
        return (
            Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False),
            Need(dataset=dataset.name, split="captions", column="text", tuning=False),
        )

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, unequal widths, values not finite, or an image without a caption."""
        images, captions = got.test
        check_split(images, "test")
        check_split(captions, "captions")
        if images.x.shape[1] != captions.x.shape[1]:
            raise ProtocolError(
                f"images have {images.x.shape[1]} dimensions and texts {captions.x.shape[1]}: "
                "the encoder's image and text towers share no space, so retrieval is undefined for it."
            )
        of_image, of_caption = _keys(images, captions)
        to_text = retrieval.places(images.x, captions.x, of_image, of_caption)
        to_image = retrieval.places(captions.x, images.x, of_caption, of_image)
        clusters = images.clusters if images.clusters is not None else _names(images)
        metrics = _metrics("image-to-text", to_text, seed, clusters) | _metrics("text-to-image", to_image, seed, of_caption)
        rows = retrieval.recall(to_text, 1), _by_image(retrieval.recall(to_image, 1), of_caption, of_image)
        score = (rows[0] + rows[1]) / 2
        value = float(np.mean([metrics[f"{way}-{PRIMARY}"].value for way in ("image-to-text", "text-to-image")]))
        guess = (retrieval.guessing(of_image, of_caption), retrieval.guessing(of_caption, of_image))
        return Outcome(
            primary=PRIMARY,
            metrics={PRIMARY: _estimate(value, score, seed, clusters), **metrics},
            examples=table(
                {
                    "id": images.ids,
                    "score": score,
                    "image to text": rows[0],
                    "text to image": rows[1],
                    "reciprocal rank of text": retrieval.reciprocal_rank(to_text),
                    "cluster": clusters,
                }
            ),
            chance=float(np.mean([retrieval.recall(one, 1).mean() for one in guess])),
            diagnostics={"images": len(images), "captions": len(captions)},
        )


def _names(images: TestSplit) -> np.ndarray:
    """What examples are drawn together by: images that share their captions depend on each other."""
    return images.columns[PAIR].astype(str)


def _keys(images: TestSplit, captions: TestSplit) -> tuple[np.ndarray, np.ndarray]:
    """What each image (n,) and each caption (m,) belongs to, as numbers; an image whose captions were lost is refused."""
    both = np.concatenate([images.columns[PAIR].astype(str), captions.columns[PAIR].astype(str)])
    keys = np.unique(both, return_inverse=True)[1]
    return keys[: len(images)], keys[len(images) :]


def _metrics(way: str, at: retrieval.Places, seed: int, groups: np.ndarray) -> dict[str, Estimate]:
    rows = {f"{way}-recall-at-{k}": retrieval.recall(at, k) for k in AT} | {f"{way}-mrr": retrieval.reciprocal_rank(at)}
    return {name: _estimate(float(np.sort(values).mean()), values, seed, groups) for name, values in rows.items()}


def _by_image(recall: np.ndarray, of_caption: np.ndarray, of_image: np.ndarray) -> np.ndarray:
    """Each caption's recall given to its images in equal parts (n,), so that their mean is the mean over the captions."""
    sharing = np.bincount(of_image, minlength=int(of_caption.max()) + 1)
    given = np.bincount(of_caption, weights=recall / sharing[of_caption], minlength=len(sharing))
    rows: np.ndarray = given[of_image] * (len(of_image) / len(of_caption))
    return rows


def _estimate(value: float, rows: np.ndarray, seed: int, groups: np.ndarray) -> Estimate:
    low, high = intervals.proportion(rows, seed, groups=groups)
    return Estimate(value=value, low=min(low, value), high=max(high, value))
