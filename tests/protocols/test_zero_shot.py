"""Zero-shot classification against the definition of CLIP's classifier, and under ties and zeros."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from repbench.datasets.declaration import DatasetDeclaration, Prompts
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols.zero_shot import ZeroShot, class_embeddings

CLASSES = ("ant", "bee", "cat")
LABEL = np.array([0, 0, 1, 1, 1, 2])
RNG = np.random.default_rng(0)
TEXTS = RNG.normal(size=(6, 10)).astype(np.float32)
TRUTH = RNG.integers(3, size=120)
IMAGES = (TEXTS[[0, 2, 5]][TRUTH] + 1.5 * RNG.normal(size=(120, 10))).astype(np.float32)


def embeddings(texts: np.ndarray, images: np.ndarray, label: np.ndarray = LABEL, truth: np.ndarray = TRUTH) -> Embeddings:
    shared = {"columns": {}, "class_names": CLASSES}
    prompts = TuningSplit(x=texts, label=label, ids=np.arange(len(texts)).astype(str), **shared)
    test = TestSplit(x=images, truth=truth[: len(images)], ids=np.arange(len(images)).astype(str), **shared)
    return Embeddings(tuning=(prompts,), test=(test,), metric="mean-per-class")


def dataset(**facts: object) -> DatasetDeclaration:
    given = {"name": "toy", "family": "f", "title": "T", "metric": "accuracy", "classes": 3, "sources": {"folder": {}}}
    prompts = Prompts(templates=("a photo of a {c}.",))
    return DatasetDeclaration(**{**given, "splits": {"test": 9}, "prompts": prompts, **facts})  # type: ignore[arg-type]


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.sqrt((v**2).sum())


def test_it_is_clips_classifier() -> None:
    weights = []
    for c in range(3):
        each = [_unit(text.astype(float)) for text, label in zip(TEXTS, LABEL, strict=True) if label == c]
        weights.append(_unit(np.mean(each, axis=0)))
    assert_allclose(class_embeddings(TEXTS, LABEL, 3), weights, atol=1e-12)
    predicted = [CLASSES[int(np.argmax([100 * _unit(image) @ w for w in weights]))] for image in IMAGES.astype(float)]
    outcome = ZeroShot().score(embeddings(TEXTS, IMAGES), 0)
    assert outcome.examples["prediction"].tolist() == predicted
    right = np.array(predicted) == np.array(CLASSES)[TRUTH]
    recalls = [right[np.flatnonzero(np.equal(TRUTH, c))].mean() for c in range(3)]
    assert outcome.metrics["accuracy"].value == pytest.approx(right.mean())
    assert outcome.metrics["mean-per-class"].value == pytest.approx(np.mean(recalls))
    assert outcome.primary == "mean-per-class"


def test_lengths_do_not_matter() -> None:
    stretched = embeddings(TEXTS * np.arange(1, 7)[:, None], IMAGES * 50)
    assert ZeroShot().score(stretched, 0).examples.equals(ZeroShot().score(embeddings(TEXTS, IMAGES), 0).examples)


def test_classes_with_the_same_prompts_share_the_credit() -> None:
    texts = TEXTS[[0, 0, 2, 2, 2, 0]]  # ant and cat are said alike, ant twice
    outcome = ZeroShot().score(embeddings(texts, TEXTS[[0, 0, 2]], truth=np.array([2, 1, 1])), 0)
    assert outcome.examples["score"].tolist() == [0.5, 0.0, 1.0]
    assert outcome.examples["tied"].tolist() == [True, True, False]


def test_a_zero_image_is_a_guess_and_a_zero_prompt_is_left_out() -> None:
    images, texts = IMAGES.copy(), TEXTS.copy()
    images[:4], texts[1] = 0, 0
    outcome = ZeroShot().score(embeddings(texts, images), 0)
    assert outcome.examples["score"][:4].tolist() == pytest.approx([1 / 3] * 4)
    assert (outcome.diagnostics["zero_images"], outcome.diagnostics["zero_prompts"]) == (4, 1)
    assert_allclose(class_embeddings(texts, LABEL, 3)[0], _unit(texts[0].astype(float)), atol=1e-12)


def test_chance_is_one_over_the_classes() -> None:
    assert ZeroShot().score(embeddings(TEXTS, IMAGES), 0).chance == pytest.approx(1 / 3)


def test_classes_without_prompts_are_named() -> None:
    with pytest.raises(ProtocolError, match="no example in the prompts: 'cat'"):
        ZeroShot().score(embeddings(TEXTS[:5], IMAGES, LABEL[:5]), 0)


def test_towers_that_share_no_space_are_refused() -> None:
    with pytest.raises(ProtocolError, match="10 dimensions and texts 4"):
        ZeroShot().score(embeddings(TEXTS[:, :4], IMAGES), 0)


def test_it_fits_images_with_prompts() -> None:
    assert ZeroShot().fits(dataset()) == ""
    assert "[prompts]" in ZeroShot().fits(dataset(prompts=None))
    assert "has audio" in ZeroShot().fits(dataset(columns={"audio": "audio"}))
    assert "'test'" in ZeroShot().fits(dataset(splits={"train": 9}))
    assert "one class" in ZeroShot().fits(dataset(classes=1))


def test_it_needs_the_prompts_and_test() -> None:
    needs = ZeroShot().needs(dataset(columns={"photo": "image"}))
    assert [(n.split, n.column, n.tuning) for n in needs] == [("prompts", "text", True), ("test", "photo", False)]
