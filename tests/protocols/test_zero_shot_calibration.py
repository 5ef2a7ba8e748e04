"""The calibration of zero-shot against scikit-learn and SciPy on logits made by hand: the model's own, or 100 x cosine."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize

from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.encoder import Logit
from repbench.protocols.zero_shot_calibration import ZeroShotCalibration

NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize("own", [None, Logit(scale=40.0, bias=-12.9), Logit(scale=60.0)])
def test_probabilities_before_and_after_the_temperature_are_those_of_the_formula(own: Logit | None) -> None:
    rng = np.random.default_rng(0)
    centres, shared = rng.normal(size=(4, 16)), {"columns": {}, "class_names": NAMES}
    rows = {"prompts": 12, "val": 80, "test": 200}
    label = {name: np.arange(count) % 4 for name, count in rows.items()}
    x = {name: centres[own] + 2.5 * rng.normal(size=(len(own), 16)) for name, own in label.items()}
    ids = {name: np.array([f"{name}{place:03d}" for place in range(count)]) for name, count in rows.items()}
    outcome = ZeroShotCalibration().score(
        Embeddings(
            tuning=tuple(TuningSplit(x=x[name], ids=ids[name], label=label[name], **shared) for name in ("prompts", "val")),
            test=(TestSplit(x=x["test"], ids=ids["test"], truth=label["test"], **shared),),
            metric="accuracy",
            logit=own,
        ),
        0,
    )
    prompts = normalize(x["prompts"])
    heads = np.stack([prompts[label["prompts"] == one].mean(axis=0) for one in range(4)])
    factor = 100 if own is None else own.scale
    logits = {name: factor * cosine_similarity(x[name], heads) for name in ("val", "test")}

    def loss(heat: float) -> float:
        return float(log_loss(label["val"], softmax(logits["val"] / np.exp(heat), axis=1)))

    heat = minimize_scalar(loss, bounds=(-6, 6), method="bounded", options={"xatol": 1e-9}).x
    assert np.exp(heat) > 2 or own is not None  # 100 is too sure here
    for when, probabilities in (
        ("before", softmax(logits["test"], axis=1)),
        ("after", softmax(logits["test"] / np.exp(heat), axis=1)),
    ):
        brier = ((probabilities - np.eye(4)[label["test"]]) ** 2).sum(axis=1).mean()
        assert outcome.metrics[f"brier-{when}"].value == pytest.approx(brier, rel=1e-4)
        of_truth = np.maximum(probabilities[np.arange(200), label["test"]], 1e-12)  # no example costs more than 27.6
        assert outcome.metrics[f"nll-{when}"].value == pytest.approx(-np.log(of_truth).mean(), rel=1e-4)
    assert outcome.metrics["brier-after"].value < outcome.metrics["brier-before"].value
    said = {None: "100 x cosine, CLIP's cap", 40.0: "40 x cosine -12.9, the model's own", 60.0: "60 x cosine, the model's own"}
    assert outcome.diagnostics["logit"].startswith(said[None if own is None else own.scale])


@pytest.mark.parametrize(("scale", "bias"), [(0.0, 0.0), (-1.0, 0.0), (np.inf, 0.0), (1.0, np.nan)])
def test_a_logit_that_is_none_is_refused(scale: float, bias: float) -> None:
    with pytest.raises(ValueError, match="expected a scale above 0"):
        Logit(scale=scale, bias=bias)
