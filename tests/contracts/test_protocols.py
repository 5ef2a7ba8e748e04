"""What every protocol promises, checked on each that is found in the folder `protocols/`.

The world is small: four classes, images and prompts that an encoder places near the centre of their class. A protocol that
asks for more than this world has is skipped by name; give the world what it asks for in `embed`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import repbench.protocols
from repbench.datasets.declaration import ELEVEN_POINT, METRICS, PAIR, Captions, DatasetDeclaration, Prompts
from repbench.datasets.factors import Factor
from repbench.datasets.probe import Probe
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.embeddings.needs import AnyNeed, Need, PairScores, TextJudges
from repbench.embeddings.trainable import Recipe
from repbench.errors import EmbeddingError, ProtocolError
from repbench.measure import logistic
from repbench.protocol import Outcome, Protocol

FILES = sorted(module.name for module in pkgutil.iter_modules(repbench.protocols.__path__) if not module.name.startswith("_"))
SIZES = {"train": 90, "val": 60, "test": 110}
CLASSES = ("ant", "bee", "cat", "dog")
SHARES = (0.55, 0.2, 0.15, 0.1)
FACTORS = {
    "size": Factor(kind="number", role="content"),
    "azimuth": Factor(kind="angle", role="style"),
    "light": Factor(kind="category", role="style"),
}
VIEWS = 4  # of each instance
SCORES = (
    "groups",
    "curve",
    "by_share",
)  # diagnostics that are scores, by group, by angle, which hang on the truth as metrics do
OTHER_UNITS = ("equivariance", "pose_robustness")  # whose examples are pairs of views, or rows of three tests
CENTRES = np.random.default_rng(0).normal(size=(4, 8))

Encode = Callable[[np.ndarray], np.ndarray]


def classes_in(file: str) -> list[type]:
    module = importlib.import_module(f"repbench.protocols.{file}")
    own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return [c for c in own if not c.__name__.startswith("_") and hasattr(c, "needs") and hasattr(c, "score")]


def good(x: np.ndarray) -> np.ndarray:
    return x


def constant(x: np.ndarray) -> np.ndarray:
    return np.ones_like(x)


def dataset(metric: str = "accuracy") -> DatasetDeclaration:
    return DatasetDeclaration(
        name="toy",
        family="contracts",
        title="Toy",
        metric=metric,
        classes=CLASSES,
        splits=SIZES,
        sources={"folder": {}},
        prompts=Prompts(templates=("a photo of a {c}.", "a drawing of a {c}.")),
        captions=Captions(column="caption"),
        factors=("instance", *FACTORS),
        factor=FACTORS,
    )


def probe() -> DatasetDeclaration:
    """The same world for protocols that ask about images and captions: each class a caption, the next class a hard negative."""
    return DatasetDeclaration(
        name="toy",
        family="contracts",
        title="Toy",
        splits={"test": SIZES["test"]},
        sources={"folder": {}},
        columns={"image_0": "image", "caption_0": "text", "caption_1": "text"},
        probe=Probe(rule="one-image-many-captions", held_out=0.4),
    )


def asked_of(protocol: Protocol, metric: str = "accuracy") -> DatasetDeclaration:
    """The dataset of this world that the protocol fits, or the ordinary one."""
    return probe() if not protocol.fits(probe()) and protocol.fits(dataset("accuracy")) else dataset(metric)


def labels(split: str) -> np.ndarray:
    if split == "prompts":
        return np.repeat(np.arange(4), 2)
    if split == "captions":
        return np.repeat(labels("test"), 2)
    rng = np.random.default_rng(list(SIZES).index(split))
    return np.concatenate([np.arange(4), rng.choice(4, size=SIZES[split] - 4, p=SHARES)])


def memberships(split: str) -> np.ndarray:
    """Labels of several classes: the one that the embedding shows, sometimes a second, sometimes one not to be judged."""
    label = labels(split)
    rng = np.random.default_rng(7)
    found = np.where(rng.random((len(label), 4)) < 0.1, 1, np.where(rng.random((len(label), 4)) < 0.1, 0, -1))
    found[np.arange(len(label)), label] = 1
    return found.astype(np.int8)


def pairs(need: Need, count: int) -> dict[str, np.ndarray]:
    """What belongs together: an image of test and its two captions."""
    of_image = np.array([f"test-{i}" for i in range(SIZES["test"])])
    known = {"test": of_image, "captions": np.repeat(of_image, 2)}
    return {PAIR: known[need.split]} if need.split in known else {}


def factors(split: str) -> dict[str, np.ndarray]:
    """How an image came about: the instances of a class, each seen from four sides, under two lights, in some size."""
    label = labels(split)
    turn = np.array([int((label[:place] == one).sum()) for place, one in enumerate(label)])
    rng = np.random.default_rng(10 + list(SIZES).index(split))
    return {
        "instance": np.array([f"{split} {CLASSES[one]} {place // VIEWS}" for one, place in zip(label, turn, strict=True)]),
        "azimuth": turn % VIEWS * 360 / VIEWS,
        "light": np.array(["day", "lamp"])[rng.integers(2, size=len(label))],
        "size": rng.normal(size=len(label)),
    }


class Network:
    """What a protocol trains here: a regression on the embeddings of this world, the same for every recipe."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], tuple[np.ndarray, object]] = {}  # with what was asked: an id is nobody else's then

    def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
        asked = (*map(id, on), id(ask))
        if asked not in self.known:
            x, label = np.concatenate([split.x for split in on]), np.concatenate([split.label for split in on])
            label = label if label.ndim == 1 else np.where(label > 0, 1, -1)
            (found,) = logistic.fit_path(x, label, len(ask.class_names), (1.0,), gap=1e-3)
            self.known[asked] = found.scores(ask.x), (on, ask)
        return self.known[asked][0]


def embed(need: AnyNeed, encode: Encode, metric: str = "accuracy") -> TuningSplit | TestSplit:
    """The embeddings that a need asks for, from an encoder of this world."""
    if isinstance(need, PairScores):
        return _judged(need, encode)
    if need.column in probe().columns:
        return _probed(need, encode)
    view = need.view if isinstance(need, Need) else "plain"
    known = view in ("plain", "two-crops") and need.column in ("image", "text")
    if not known or not {*need.splits} <= {*SIZES, "prompts", "captions"}:
        pytest.skip(f"this world has no {need}")
    label = np.concatenate([labels(split) for split in need.splits])
    rng = np.random.default_rng(len(need.split))
    shape = (len(label), 2, 8) if view == "two-crops" else (len(label), 8)
    centres = CENTRES[label][:, None] if view == "two-crops" else CENTRES[label]
    shared: dict[str, Any] = {
        "x": encode((centres + 0.7 * rng.normal(size=shape)).astype(np.float32)),
        "ids": np.array([f"{need.split}-{i}" for i in range(len(label))]),
        "columns": pairs(need, len(label)) | (factors(need.split) if need.split in SIZES else {}),
        "class_names": CLASSES,
    }
    if metric == ELEVEN_POINT and need.split not in ("prompts", "captions"):
        label = np.concatenate([memberships(split) for split in need.splits])
    return TuningSplit(label=label, **shared) if need.tuning else TestSplit(truth=label, **shared)


def _probed(need: Need, encode: Encode) -> TestSplit:
    label = labels("test") + (need.column == "caption_1")
    noise = np.random.default_rng(len(need.column)).normal(size=(len(label), 8))
    x = encode((CENTRES[label % 4] + 0.7 * noise).astype(np.float32))
    ids = np.array([f"test-{i}" for i in range(len(label))])
    return TestSplit(x=x, ids=ids, columns={}, class_names=(), truth=np.zeros(len(label), int))


def _judged(need: PairScores, encode: Encode) -> TuningSplit | TestSplit:
    """Pair scores of the probe: the true caption's are higher, and all hang on how likely the caption is."""
    count = len(labels("test")) // 2
    rng = np.random.default_rng(len(need.split))
    likely = rng.normal(size=(count, 2))
    fits = np.array([image == "image_0" and caption == "caption_0" for image, caption in need.pairs])
    x = (
        np.stack([likely[:, int(caption[-1])] for _, caption in need.pairs], axis=1)
        + fits
        + 0.3 * rng.normal(size=(count, len(fits)))
    )
    shared: dict[str, Any] = {
        "x": encode(x.astype(np.float32)),
        "ids": np.array([f"{need.split}-{i}" for i in range(count)]),
        "columns": {},
        "class_names": (),
    }
    zeros = np.zeros(count, int)
    return TuningSplit(label=zeros, **shared) if need.tuning else TestSplit(truth=zeros, **shared)


def asked(protocol: Protocol, encode: Encode = good, metric: str = "accuracy") -> Embeddings:
    world = asked_of(protocol, metric)
    if why := protocol.fits(world):
        pytest.skip(why)
    splits = [embed(need, encode, metric) for need in protocol.needs(world) if not isinstance(need, TextJudges)]
    return Embeddings(
        tuning=tuple(split for split in splits if isinstance(split, TuningSplit)),
        test=tuple(split for split in splits if isinstance(split, TestSplit)),
        metric=metric,
        factors=world.factors,
        factor=world.factor,
        probe=world.probe,
        model=Network(),
    )


def in_order(test: TestSplit, order: np.ndarray) -> TestSplit:
    return dataclasses.replace(
        test,
        x=test.x[order],
        ids=test.ids[order],
        truth=test.truth[order],
        columns={name: column[order] for name, column in test.columns.items()},
    )


def told(outcome: Outcome) -> str:
    return json.dumps(dict(outcome.diagnostics), sort_keys=True)


def chosen(outcome: Outcome) -> dict[str, Any]:
    return {name: one for name, one in outcome.diagnostics.items() if name not in SCORES}


@pytest.fixture(params=FILES)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return classes_in(request.param)[0]()  # type: ignore[no-any-return]


@pytest.mark.parametrize("file", FILES)
def test_a_file_holds_one_protocol_a_frozen_keyword_only_dataclass_with_a_version(file: str) -> None:
    found = classes_in(file)
    assert len(found) == 1, f"protocols/{file}.py holds {len(found)} protocols: {found}; put each in a file of its own"
    (kind,) = found
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(field.kw_only for field in dataclasses.fields(kind))
    assert isinstance(kind.version, int)  # type: ignore[attr-defined]
    assert "version" not in {field.name for field in dataclasses.fields(kind)}, "version must be a ClassVar"
    assert hash(kind()) == hash(kind())


def test_nothing_is_tuned_on_test(protocol: Protocol) -> None:
    needs = protocol.needs(asked_of(protocol))
    assert len(set(needs)) == len(needs)
    assert all(not need.tuning for need in needs if "test" in need.splits)


@pytest.mark.parametrize("metric", METRICS)
def test_an_outcome_is_complete(protocol: Protocol, metric: str) -> None:
    got = asked(protocol, metric=metric)
    outcome = protocol.score(got, seed=0)
    assert outcome.primary in outcome.metrics
    for name, estimate in outcome.metrics.items():
        assert np.isfinite(estimate.value), name
        assert np.isnan(estimate.low) or estimate.low <= estimate.value, name
        assert np.isnan(estimate.high) or estimate.value <= estimate.high, name
    if type(protocol).__module__.rpartition(".")[2] in OTHER_UNITS:
        assert len(outcome.examples) > len(got.test[0])
    else:
        assert len(outcome.examples) == len(got.test[0])
    assert outcome.examples["id"].is_unique
    assert outcome.examples["score"].notna().all()
    assert told(outcome)
    if outcome.primary == "accuracy":
        assert outcome.examples["score"].mean() == pytest.approx(outcome.metrics["accuracy"].value)


def test_the_truth_of_test_changes_no_prediction_and_no_choice(protocol: Protocol) -> None:
    got = asked(protocol)
    permuted = tuple(
        dataclasses.replace(test, truth=test.truth[np.random.default_rng(1).permutation(len(test))]) for test in got.test
    )
    before, after = protocol.score(got, 0), protocol.score(dataclasses.replace(got, test=permuted), 0)
    if "prediction" in before.examples:
        assert before.examples["prediction"].equals(after.examples["prediction"])
    assert chosen(before) == chosen(after)


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_encoder_scores_chance(protocol: Protocol, metric: str) -> None:
    outcome = protocol.score(asked(protocol, constant, metric), 0)
    if outcome.chance is None:
        pytest.skip("chance has no meaning here")
    primary = outcome.metrics[outcome.primary]
    assert primary.value == pytest.approx(outcome.chance, abs=1e-9) or primary.low <= outcome.chance <= primary.high
    for name, level in outcome.chances.items():
        other = outcome.metrics[name]
        assert other.value == pytest.approx(level, abs=1e-9) or other.low <= level <= other.high, name


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_refused_wherever_they_are(protocol: Protocol, value: float) -> None:
    got = asked(protocol)
    for split in (*got.tuning, *got.test):
        kept = split.x[1].copy()
        split.x[1] = value
        with pytest.raises((ProtocolError, EmbeddingError)):
            protocol.score(got, 0)
        split.x[1] = kept


def test_the_order_of_test_does_not_matter(protocol: Protocol) -> None:
    got = asked(protocol)
    shuffled = tuple(in_order(test, np.random.default_rng(2).permutation(len(test))) for test in got.test)
    before, after = protocol.score(got, 0), protocol.score(dataclasses.replace(got, test=shuffled), 0)
    for name, estimate in before.metrics.items():
        assert dataclasses.astuple(after.metrics[name]) == pytest.approx(dataclasses.astuple(estimate), abs=1e-9, nan_ok=True)
    left, right = (outcome.examples.sort_values("id").reset_index(drop=True) for outcome in (before, after))
    assert left["score"].to_numpy() == pytest.approx(right["score"].to_numpy(), abs=1e-9)
    if "prediction" in left:
        assert left["prediction"].equals(right["prediction"])


def test_the_same_question_gets_the_same_answer_and_leaves_the_embeddings_alone(protocol: Protocol) -> None:
    got = asked(protocol)
    kept = [split.x.copy() for split in (*got.tuning, *got.test)]
    first, second = protocol.score(got, 5), protocol.score(got, 5)
    assert repr(first.metrics) == repr(second.metrics)  # an interval that is not told is NaN, which equals nothing
    assert first.examples.equals(second.examples)
    assert told(first) == told(second)
    assert all(np.array_equal(split.x, x) for split, x in zip((*got.tuning, *got.test), kept, strict=True))
