"""Alignment and uniformity of known encoders: collapsed, random, good, and one that ignores the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.errors import ProtocolError
from repbench.protocols.alignment_uniformity import AlignmentUniformity

N, DIM = 200, 32
RNG = np.random.default_rng(0)
PLAIN = RNG.normal(size=(N, DIM)).astype(np.float32)


def split(x: np.ndarray, truth: np.ndarray | None = None) -> TestSplit:
    truth = np.arange(len(x)) % 5 if truth is None else truth
    return TestSplit(x=x, truth=truth, ids=np.arange(len(x)).astype(str), columns={}, class_names=tuple("abcde"))


def embeddings(crops: np.ndarray, plain: np.ndarray, truth: np.ndarray | None = None) -> Embeddings:
    return Embeddings(tuning=(), test=(split(crops, truth), split(plain, truth)), metric="accuracy")


def noisy(noise: float) -> np.ndarray:
    return (PLAIN[:, None] + noise * RNG.normal(size=(N, 2, DIM))).astype(np.float32)


def dataset(**facts: object) -> DatasetDeclaration:
    given = {"name": "toy", "family": "f", "title": "T", "metric": "accuracy", "classes": 5, "sources": {"folder": {}}}
    return DatasetDeclaration(**{**given, "splits": {"test": 9}, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(("alpha", "t"), [(2.0, 2.0), (1.0, 3.0)])
def test_metrics_are_the_papers_code(alpha: float, t: float) -> None:
    crops = noisy(0.3)
    unit = torch.nn.functional.normalize
    x, y = (unit(torch.from_numpy(crops[:, i]).double(), dim=1) for i in (0, 1))
    align = (x - y).norm(p=2, dim=1).pow(alpha).mean().item()
    uniform = torch.pdist(unit(torch.from_numpy(PLAIN).double(), dim=1), p=2).pow(2).mul(-t).exp().mean().log().item()
    metrics = AlignmentUniformity(alpha=alpha, t=t).score(embeddings(crops, PLAIN), 0).metrics
    assert metrics["alignment"].value == pytest.approx(align, abs=1e-10)
    assert metrics["uniformity"].value == pytest.approx(uniform, abs=1e-10)
    assert metrics["loss"].value == pytest.approx(2 * align + uniform, abs=1e-10)


def test_scores_of_examples_average_to_the_metrics() -> None:
    outcome = AlignmentUniformity().score(embeddings(noisy(0.5), PLAIN), 0)
    for column, metric in (("score", "loss"), ("alignment", "alignment"), ("uniformity", "uniformity")):
        assert outcome.examples[column].mean() == pytest.approx(outcome.metrics[metric].value, abs=1e-12)
    for estimate in outcome.metrics.values():
        assert estimate.low < estimate.value < estimate.high


def test_a_collapsed_encoder_aligns_perfectly_and_scores_chance() -> None:
    outcome = AlignmentUniformity().score(embeddings(np.ones((N, 2, DIM)), np.ones((N, DIM))), 0)
    assert outcome.metrics["alignment"].value == 0.0
    assert outcome.metrics["loss"].value == pytest.approx(outcome.chance, abs=1e-12)
    assert outcome.metrics["tolerance"].value == pytest.approx(1.0)
    assert outcome.diagnostics["collapsed"]


def test_noise_is_uniform_and_scores_what_a_collapsed_encoder_scores() -> None:
    noise = np.random.default_rng(5)
    crops, plain = noise.normal(size=(400, 2, 1024)), noise.normal(size=(400, 1024))
    outcome = AlignmentUniformity().score(embeddings(crops, plain), 0)
    assert outcome.metrics["uniformity"].value < -3.9
    assert outcome.metrics["loss"].value == pytest.approx(outcome.chance, abs=0.05)


def test_good_encoders_are_below_noisy_ones_and_those_below_collapse() -> None:
    losses = [AlignmentUniformity().score(embeddings(noisy(s), PLAIN), 0).metrics["loss"].value for s in (0.1, 0.5, 1.0)]
    assert losses == sorted(losses)
    assert losses[-1] < 0
    assert not AlignmentUniformity().score(embeddings(noisy(0.1), PLAIN), 0).diagnostics["collapsed"]


def test_an_encoder_that_ignores_the_image_gains_nothing_over_its_uniformity() -> None:
    outcome = AlignmentUniformity().score(embeddings(RNG.normal(size=(N, 2, DIM)), PLAIN), 0)
    assert outcome.metrics["alignment"].value == pytest.approx(2.0, abs=0.1)


def test_tolerance_is_left_out_where_no_two_images_share_a_class() -> None:
    outcome = AlignmentUniformity().score(embeddings(noisy(0.1)[:5], PLAIN[:5], np.arange(5)), 0)
    assert "tolerance" not in outcome.metrics
    assert "tolerance is undefined" in outcome.diagnostics["warnings"][0]


def test_zero_vectors_and_wrong_views_are_refused() -> None:
    zeros = PLAIN.copy()
    zeros[:3] = 0
    crops = noisy(0.1)
    protocol = AlignmentUniformity()
    with pytest.raises(ProtocolError, match="3 of 200 embeddings are zero vectors"):
        protocol.score(embeddings(crops, zeros), 0)
    with pytest.raises(ProtocolError, match=r"expected \(n, crops, dim\)"):
        protocol.score(embeddings(PLAIN, PLAIN), 0)
    with pytest.raises(ProtocolError, match="got 3"):
        protocol.score(embeddings(np.ones((N, 3, DIM)), PLAIN), 0)
    with pytest.raises(ProtocolError, match="same images"):
        protocol.score(embeddings(crops[:9], PLAIN), 0)
    with pytest.raises(ProtocolError, match="pairs"):
        protocol.score(embeddings(crops[:1], PLAIN[:1]), 0)


def test_it_fits_images_only() -> None:
    assert AlignmentUniformity().fits(dataset()) == ""
    assert "has audio" in AlignmentUniformity().fits(dataset(columns={"audio": "audio"}))
    assert "'test'" in AlignmentUniformity().fits(dataset(splits={"train": 9}))


def test_it_needs_two_views_of_test() -> None:
    needs = AlignmentUniformity().needs(dataset())
    assert [(n.split, n.view, n.tuning) for n in needs] == [("test", "two-crops", False), ("test", "plain", False)]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        AlignmentUniformity(t=0.0)
