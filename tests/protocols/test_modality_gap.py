"""The modality gap against NumPy, SciPy and scikit-learn, on clouds whose gap is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import normalize

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols.modality_gap import ModalityGap

NAMES = ("a", "b", "c")


def asked(images: np.ndarray, texts: np.ndarray) -> Embeddings:
    shared = {"columns": {}, "class_names": NAMES}
    prompts = TuningSplit(x=texts, ids=ids("t", texts), label=np.arange(len(texts)) % 3, **shared)
    test = TestSplit(x=images, ids=ids("i", images), truth=np.arange(len(images)) % 3, **shared)
    return Embeddings(tuning=(prompts,), test=(test,), metric="accuracy")


def ids(letter: str, rows: np.ndarray) -> np.ndarray:
    return np.array([f"{letter}{place:04d}" for place in range(len(rows))])


def clouds(apart: float, images: int = 240, texts: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian images and texts of eight dimensions, moved along the first one by so much each way."""
    rng = np.random.default_rng(0)
    way = apart * np.eye(8)[0]
    return rng.normal(size=(images, 8)) + way, rng.normal(size=(texts, 8)) - way


def test_gap_cosines_and_cones_are_those_written_out() -> None:
    images, texts = clouds(0.8)
    found = {name: one.value for name, one in ModalityGap().score(asked(images, texts), 0).metrics.items()}
    i, t = normalize(images), normalize(texts)
    assert found["gap"] == pytest.approx(np.linalg.norm(i.mean(axis=0) - t.mean(axis=0)))
    assert found["cosine-of-means"] == pytest.approx(1 - cdist(i.mean(axis=0)[None], t.mean(axis=0)[None], "cosine")[0, 0])
    assert found["mean-cosine-of-images"] == pytest.approx(1 - pdist(images, "cosine").mean())
    assert found["mean-cosine-of-texts"] == pytest.approx(1 - pdist(texts, "cosine").mean())
    centres = np.stack([t[np.arange(len(t)) % 3 == one].mean(axis=0) for one in range(3)])
    assert found["cosine-to-own-class"] == pytest.approx((i @ centres.T)[np.arange(len(i)), np.arange(len(i)) % 3].mean())


def test_one_modality_turned_round_has_the_widest_gap_and_the_same_one_none() -> None:
    point = np.tile([3.0, 4.0], (12, 1))
    apart = ModalityGap().score(asked(point, -point), 0).metrics
    assert (apart["gap"].value, apart["cosine-of-means"].value) == (pytest.approx(2), pytest.approx(-1))
    same = ModalityGap().score(asked(point, 5 * point), 0).metrics
    assert (same["gap"].value, same["cosine-of-means"].value) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert same["separability"].value == 0.5


@pytest.mark.parametrize("apart", [0.0, 0.5, 3.0])
def test_modalities_are_told_apart_as_well_as_by_discriminant_analysis(apart: float) -> None:
    images, texts = clouds(apart, 2000, 2000)
    found = ModalityGap().score(asked(images, texts), 0).metrics["separability"]
    x, y = normalize(np.concatenate([images, texts])), np.repeat([1, 0], 2000)
    theirs = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(x[::2], y[::2]).predict(x[1::2])
    assert found.value == pytest.approx(balanced_accuracy_score(y[1::2], theirs), abs=0.03)  # other halves: two errors of .011
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_the_interval_of_the_gap_is_that_of_repeated_draws_of_images() -> None:
    texts = clouds(0.8)[1]
    values, widths = [], []
    for seed in range(200):
        images = np.random.default_rng(seed).normal(size=(200, 8)) + 0.8 * np.eye(8)[0]
        gap = ModalityGap().score(asked(images, texts), 0).metrics["gap"]
        values.append(gap.value)
        assert gap.low is not None
        assert gap.high is not None
        widths.append(gap.high - gap.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(values), rel=0.15)


def test_widths_that_differ_and_rows_without_direction_are_refused() -> None:
    images, texts = clouds(0.5)
    with pytest.raises(ProtocolError, match="images have 8 dimensions and texts 4"):
        ModalityGap().score(asked(images, texts[:, :4]), 0)
    with pytest.raises(ProtocolError, match="1 of 240 embeddings are zero vectors"):
        ModalityGap().score(asked(np.concatenate([np.zeros((1, 8)), images[1:]]), texts), 0)
