"""The compositional protocol: controls on every rule, subsets, sets, and places that do not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.probe import RULES, Probe
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import Need
from repbench.errors import EmbeddingError, ProtocolError
from repbench.protocols._composition import candidate_order
from repbench.protocols.compositional import Compositional
from repbench.tasks import load_catalogue

PROBES = {name: one for name, one in load_catalogue().datasets.items() if one.probe is not None}
N, DIM = 240, 16


def columns_of(rule: str, choices: int = 3) -> dict[str, str]:
    form = RULES[rule]
    images = {f"image_{k}": "image" for k in range(form.images or choices)}
    return images | {f"caption_{k}": "text" for k in range(form.captions or choices)}


def declaration(rule: str, **facts: object) -> DatasetDeclaration:
    probe = Probe(rule=rule, subset="kind", together={"pair-accuracy": "pair"}, **facts)  # type: ignore[arg-type]
    columns = columns_of(rule)
    return DatasetDeclaration(
        name="toy", family="contracts", title="Toy", splits={"test": N}, sources={"folder": {}}, columns=columns, probe=probe
    )


def embeddings(dataset: DatasetDeclaration, kind: str = "random") -> Embeddings:
    """What a run hands over: each column's embeddings, the true ones near each other for an encoder that is good."""
    assert dataset.probe is not None
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(N, DIM))
    columns = {column: np.arange(N) % 4 for column in dataset.probe.factors}
    columns |= {name: np.array([f"{k // 2}" for k in range(N)]) for name in dataset.probe.together.values()}
    if dataset.probe.subset:
        columns[dataset.probe.subset] = np.array([f"kind {k % 3}" for k in range(N)])
    if dataset.probe.candidates:
        columns[dataset.probe.candidates] = np.full(N, 2)
    found = []
    for need in (one for one in Compositional().needs(dataset) if isinstance(one, Need) and not one.tuning):
        x = rng.normal(size=(N, DIM))
        if kind == "good" and need.column in ("image_0", "caption_0"):
            x = centres + 0.3 * x
        if kind == "constant":
            x = np.ones((N, DIM))
        if kind == "nan":
            x = np.full((N, DIM), np.nan)
        found.append(
            TestSplit(
                x=x.astype(np.float32),
                ids=np.array([f"test/{k}" for k in range(N)]),
                columns=columns,
                class_names=(),
                truth=np.zeros(N, int),
                clusters=np.array([f"image {k // 3}" for k in range(N)]) if dataset.cluster else None,
            )
        )
    return Embeddings(tuning=(), test=tuple(found), metric="", probe=dataset.probe)


CASES = {**{f"rule {rule}": declaration(rule) for rule in RULES}, **PROBES}


@pytest.mark.parametrize("name", CASES)
def test_a_constant_encoder_scores_exactly_chance(name: str) -> None:
    outcome = Compositional().score(embeddings(CASES[name], "constant"), 0)
    assert outcome.chance is not None
    assert outcome.metrics[outcome.primary].value == pytest.approx(outcome.chance, abs=1e-12)
    assert outcome.diagnostics["tie_rate"] == 1.0


@pytest.mark.parametrize("name", CASES)
def test_a_random_encoder_scores_chance_within_its_interval(name: str) -> None:
    outcome = Compositional().score(embeddings(CASES[name]), 0)
    primary = outcome.metrics[outcome.primary]
    assert outcome.chance is not None
    assert primary.low <= outcome.chance <= primary.high
    assert outcome.diagnostics["tie_rate"] == 0.0


@pytest.mark.parametrize("name", CASES)
def test_an_encoder_of_nan_fails(name: str) -> None:
    with pytest.raises((ProtocolError, EmbeddingError), match="NaN"):
        Compositional().score(embeddings(CASES[name], "nan"), 0)


def test_an_encoder_that_puts_true_captions_near_their_images_scores_high() -> None:
    outcome = Compositional().score(embeddings(declaration("one-image-many-captions"), "good"), 0)
    assert outcome.metrics["accuracy"].value > 0.9
    kinds = {f"accuracy:kind {k}" for k in range(3)}
    assert set(outcome.metrics) == {"accuracy", "pair-accuracy", "shuffled-images", *kinds}
    assert outcome.examples["score"].mean() == pytest.approx(outcome.metrics["accuracy"].value)
    both = outcome.examples["score"].to_numpy().reshape(-1, 2).prod(axis=1).mean()
    assert outcome.metrics["pair-accuracy"].value == pytest.approx(both)


def test_the_mean_of_subsets_weighs_subsets_alike_and_leaves_small_ones_out() -> None:
    got = embeddings(declaration("one-image-many-captions"), "good")
    kind = np.array(["large"] * 200 + ["middle"] * 35 + ["small"] * 5)
    test = tuple(replace(split, columns={**split.columns, "kind": kind}) for split in got.test)
    assert got.probe is not None
    outcome = Compositional().score(replace(got, test=test, probe=replace(got.probe, macro=True, least=10)), 0)
    credit = outcome.examples["score"].to_numpy()
    expected = (credit[:200].mean() + credit[200:235].mean()) / 2
    assert outcome.primary == "mean-of-subsets"
    assert outcome.metrics["mean-of-subsets"].value == pytest.approx(expected)
    assert (outcome.examples["score"] * outcome.examples["weight"]).sum() == pytest.approx(expected)
    assert outcome.diagnostics["subsets_left_out"] == ["small"]


def test_examples_that_share_an_image_are_drawn_together() -> None:
    got = embeddings(declaration("one-image-many-captions"), "good")
    image = np.array([f"{k // 40}" for k in range(N)])
    caption = got.test[1].x.copy()
    caption[:40] *= -1  # all captions of one image are wrong
    test = (got.test[0], replace(got.test[1], x=caption), *got.test[2:])
    alone = Compositional().score(replace(got, test=test), 0).metrics["accuracy"]
    together = Compositional().score(replace(got, test=tuple(replace(s, clusters=image) for s in test)), 0).metrics["accuracy"]
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert together.value == alone.value


@pytest.mark.parametrize("kind", ["good", "constant"])
def test_the_place_of_the_true_caption_changes_no_credit(kind: str) -> None:
    got = embeddings(declaration("one-image-many-captions"), kind)
    turned = (got.test[0], got.test[1], *got.test[:1:-1])  # the negatives in another order
    before, after = (Compositional().score(replace(got, test=test), 0) for test in (got.test, turned))
    assert before.examples["score"].equals(after.examples["score"])


def test_what_is_chosen_among_tied_captions_falls_on_every_place_alike() -> None:
    outcome = Compositional().score(embeddings(declaration("one-image-many-captions"), "constant"), 0)
    counts = outcome.examples["prediction"].value_counts()
    assert len(counts) == 3
    assert counts.min() > N / 3 - 4 * np.sqrt(N * 2 / 9)
    other = Compositional().score(embeddings(declaration("one-image-many-captions"), "constant"), 1)
    assert not other.examples["prediction"].equals(outcome.examples["prediction"])


def test_the_order_of_candidates_hangs_on_the_example_and_the_seed_alone() -> None:
    ids = np.array(["a", "b", "c"])
    order = candidate_order(ids, 5, seed=0)
    assert (np.sort(order, axis=1) == np.arange(5)).all()
    assert (candidate_order(ids[::-1], 5, seed=0) == order[::-1]).all()
    assert not (candidate_order(ids, 5, seed=1) == order).all()


def test_towers_that_share_no_space_are_told_apart() -> None:
    got = embeddings(declaration("winoground"))
    narrow = replace(got.test[-1], x=got.test[-1].x[:, :4])
    with pytest.raises(ProtocolError, match="share no space"):
        Compositional().score(replace(got, test=(*got.test[:-1], narrow)), 0)


def test_two_true_captions_have_a_text_only_form() -> None:
    got = embeddings(declaration("two-true-captions"))
    alike = replace(got.test[2], x=got.test[1].x)
    outcome = Compositional().score(replace(got, test=(got.test[0], got.test[1], alike, got.test[3])), 0)
    assert outcome.metrics["text-only"].value == 1.0


@pytest.mark.parametrize(
    ("columns", "rule", "said"),
    [
        ({"image_0": "image", "caption_0": "text"}, "one-image-many-captions", "two or more captions; the columns have 1"),
        ({"image_0": "image", "caption_0": "text", "caption_2": "text"}, "one-image-many-captions", "image_0, image_1"),
        ({"image_0": "image", "caption_0": "text", "caption_1": "text"}, "winoground", "takes 2 images; the columns have 1"),
    ],
)
def test_columns_that_do_not_fit_the_rule_are_refused(columns: dict[str, str], rule: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(declaration("winoground"), columns=columns, probe=Probe(rule=rule))


def test_a_dataset_without_a_probe_still_needs_classes_and_metric() -> None:
    for missing in ("classes", "metric"):
        facts = {"classes": 2, "metric": "accuracy", missing: 0 if missing == "classes" else ""}
        with pytest.raises(ValueError, match=f"the key '{missing}' is missing"):
            replace(declaration("winoground"), probe=None, columns={"image": "image"}, **facts)  # type: ignore[arg-type]
