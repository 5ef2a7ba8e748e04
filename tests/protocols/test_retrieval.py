"""Retrieval: one pass over images and captions, what examples add up to, images that share a caption."""

from __future__ import annotations

import numpy as np
import pytest

from repbench.datasets.declaration import PAIR
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.errors import ProtocolError
from repbench.protocols.retrieval import Retrieval

RNG = np.random.default_rng(0)


def split(x: np.ndarray, pair: np.ndarray, kind: str) -> TestSplit:
    return TestSplit(
        x=x.astype(np.float32),
        truth=np.zeros(len(x), dtype=np.int64),
        ids=np.array([f"{kind}/{i}" for i in range(len(x))]),
        columns={PAIR: pair},
        class_names=("captioned",),
    )


def embeddings(of_image: np.ndarray, of_caption: np.ndarray, noise: float = 0.8, width: int = 6) -> Embeddings:
    centres = RNG.normal(size=(int(of_image.max()) + 1, 6))
    images = centres[of_image] + noise * RNG.normal(size=(len(of_image), 6))
    texts = centres[of_caption] + noise * RNG.normal(size=(len(of_caption), 6))
    return Embeddings(
        tuning=(), test=(split(images, of_image, "i"), split(texts[:, :width], of_caption, "c")), metric="accuracy"
    )


def test_recall_both_ways_by_sorting() -> None:
    of_image, of_caption = np.arange(12), np.repeat(np.arange(12), 5)
    got = embeddings(of_image, of_caption)
    images, captions = got.test
    cosine = (images.x / np.linalg.norm(images.x, axis=1, keepdims=True)) @ (
        captions.x / np.linalg.norm(captions.x, axis=1, keepdims=True)
    ).T
    outcome = Retrieval().score(got, 0)
    for k in (1, 5, 10):
        best = np.argsort(-cosine, axis=1)[:, :k]
        assert outcome.metrics[f"image-to-text-recall-at-{k}"].value == pytest.approx(
            np.mean([i in of_caption[row] for i, row in enumerate(best)])
        )
        best = np.argsort(-cosine.T, axis=1)[:, :k]
        assert outcome.metrics[f"text-to-image-recall-at-{k}"].value == pytest.approx(
            np.mean([of_caption[j] in of_image[row] for j, row in enumerate(best)])
        )
    ways = [outcome.metrics[f"{way}-recall-at-1"].value for way in ("image-to-text", "text-to-image")]
    assert outcome.metrics["recall-at-1"].value == pytest.approx(np.mean(ways))
    assert outcome.chance == pytest.approx((5 / 60 + 1 / 12) / 2)


@pytest.mark.parametrize("captions", [np.repeat(np.arange(4), [1, 2, 3, 2]), np.arange(4)])
def test_examples_add_up_to_the_primary_metric(captions: np.ndarray) -> None:
    outcome = Retrieval().score(embeddings(np.repeat(np.arange(4), 3), captions), 0)
    assert outcome.examples.score.mean() == pytest.approx(outcome.metrics["recall-at-1"].value)
    assert outcome.examples.groupby("cluster").size().tolist() == [3, 3, 3, 3]


def test_towers_that_share_no_space_are_refused() -> None:
    with pytest.raises(ProtocolError, match="6 dimensions and texts 4"):
        Retrieval().score(embeddings(np.arange(5), np.arange(5), width=4), 0)
