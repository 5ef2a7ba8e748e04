"""Blind rules beside a compositional score: on captions that length gives away, and on captions that nothing gives away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.probe import Probe
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.measure import blind
from repbench.protocols._blind import OWN_TEXT, another, true_captions
from repbench.protocols.compositional import Compositional

N, DIM = 120, 16
COLUMNS = {"image_0": "image", "caption_0": "text", "caption_1": "text"}
DATASET = DatasetDeclaration(
    name="toy",
    family="tests",
    title="Toy",
    splits={"test": N, "val": 10},
    sources={"folder": {}},
    columns=COLUMNS,
    probe=Probe(rule=blind.CHOICE, tuning="val"),
)


def world(true: list[str], false: list[str], reads: float, *, tuned: bool = True) -> Embeddings:
    """Embeddings of an encoder that tells the truth in a share `reads` of the examples and else chooses the negative."""
    rng = np.random.default_rng(0)
    image, other = rng.normal(size=(2, N, DIM))
    right = (np.arange(N) % 100 < 100 * reads)[:, None]
    x = {"image_0": image, "caption_0": np.where(right, image, other), "caption_1": np.where(right, other, image)}
    columns = {"caption_0": np.array(true, dtype=object), "caption_1": np.array(false, dtype=object)}
    ids = np.array([f"test/{k}" for k in range(N)])
    test = tuple(
        TestSplit(x=x[name].astype(np.float32), ids=ids, columns=columns, class_names=(), truth=np.zeros(N, int))
        for name in COLUMNS
    )
    val = TuningSplit(
        x=rng.normal(size=(10, DIM)).astype(np.float32),
        ids=np.array([f"val/{k}" for k in range(10)]),
        columns={"caption_0": np.array([f"a dog number {k}" for k in range(10)], dtype=object)},
        class_names=(),
        label=np.zeros(10, int),
    )
    return Embeddings(tuning=(val,) if tuned else (), test=test, metric="", probe=DATASET.probe)


SHORT = [f"dog {k}" for k in range(N)]
LONG = [f"dog {k} and a cat" for k in range(N)]


def test_where_length_gives_the_truth_away_nothing_is_left() -> None:
    outcome = Compositional().score(world(SHORT, LONG, reads=0.5), 0)
    assert outcome.metrics["blind-best"].value == 1
    assert outcome.metrics["blind-solved"].value == 1
    assert "score-where-blind-fails" not in outcome.metrics
    assert outcome.diagnostics["blind"]["hackable"]
    assert outcome.diagnostics["blind"]["best"] == "fewest characters"


def test_the_score_where_blind_rules_fail_is_over_the_examples_that_they_leave() -> None:
    mixed = [short if k % 4 else long for k, (short, long) in enumerate(zip(SHORT, LONG, strict=True))]
    others = [long if k % 4 else short for k, (short, long) in enumerate(zip(SHORT, LONG, strict=True))]
    outcome = Compositional().score(world(mixed, others, reads=0.5), 0)
    assert outcome.metrics["blind-best"].value == 0.75
    assert outcome.metrics["blind-solved"].value == 0.75
    credit = outcome.examples["score"].to_numpy()
    assert outcome.metrics["score-where-blind-fails"].value == pytest.approx(credit[::4].mean())


def test_where_each_caption_is_true_once_no_rule_beats_chance_and_nothing_counts_as_solved() -> None:
    true = [one for pair in zip(SHORT[::2], LONG[::2], strict=True) for one in pair]
    false = [one for pair in zip(LONG[::2], SHORT[::2], strict=True) for one in pair]
    outcome = Compositional().score(world(true, false, reads=0.8), 0)
    rules = outcome.diagnostics["blind"]["rules"]
    assert [rules[name] for name in rules if name != OWN_TEXT] == pytest.approx([0.5] * (len(rules) - 1))
    assert not outcome.diagnostics["blind"]["hackable"]


def test_an_encoder_that_looks_falls_to_chance_on_the_images_of_others() -> None:
    outcome = Compositional().score(world(SHORT, LONG, reads=1.0), 0)
    mixed = outcome.metrics["shuffled-images"]
    assert outcome.metrics["accuracy"].value == 1
    assert mixed.low <= 0.5 <= mixed.high


def test_an_encoder_that_does_not_look_keeps_its_score_on_the_images_of_others() -> None:
    got = world(SHORT, LONG, reads=1.0)
    towards = np.ones((N, DIM), dtype=np.float32)
    x = (towards, towards + 0.1, towards * np.sign(np.arange(DIM) - 3))
    got = replace(got, test=tuple(replace(split, x=one) for split, one in zip(got.test, x, strict=True)))
    outcome = Compositional().score(got, 0)
    assert outcome.metrics["shuffled-images"].value == outcome.metrics["accuracy"].value == 1


def test_without_a_split_to_tune_on_models_are_fitted_on_other_folds() -> None:
    outcome = Compositional().score(world(SHORT, LONG, reads=0.5, tuned=False), 0)
    rules = outcome.diagnostics["blind"]["rules"]
    assert OWN_TEXT not in rules
    assert rules["trigram model"] == 1


def test_folds_hold_whole_groups_and_do_not_hang_on_their_order() -> None:
    groups = np.array([f"image {k % 30}" for k in range(N)])
    fold = blind.fold_of(groups)
    assert all(len(set(fold[groups == name])) == 1 for name in set(groups))
    assert sorted(np.bincount(fold)) == [24] * 5
    order = np.random.default_rng(1).permutation(N)
    assert np.array_equal(blind.fold_of(groups[order]), fold[order])


def test_examples_of_one_image_that_fare_alike_widen_the_interval_of_the_best_rule() -> None:
    alone = world([SHORT[k] if k // 8 % 5 else LONG[k] for k in range(N)],
                  [LONG[k] if k // 8 % 5 else SHORT[k] for k in range(N)], reads=0.5)  # fmt: skip
    images = np.array([f"image {k // 8}" for k in range(N)])
    together = replace(alone, test=tuple(replace(split, clusters=images) for split in alone.test))
    one, other = (Compositional().score(got, 0) for got in (alone, together))
    assert one.diagnostics["blind"]["best"] == other.diagnostics["blind"]["best"] == "fewest characters"
    width, wide = (outcome.metrics["blind-best"].high - outcome.metrics["blind-best"].low for outcome in (one, other))
    assert wide > 2 * width
    assert one.diagnostics["blind"]["hackable"]
    assert not other.diagnostics["blind"]["hackable"]


def test_which_captions_are_true() -> None:
    captions = ("caption_0", "caption_1", "caption_2")
    assert true_captions(blind.CHOICE, captions) == ("caption_0",)
    assert true_captions("two-true-captions", captions) == ("caption_0", "caption_1")
    assert true_captions("winoground", captions[:2]) == captions[:2]


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_images_are_a_permutation_and_never_of_the_own_cluster(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, size=25)
    clusters = rng.permutation(np.repeat(np.arange(25), sizes))
    ids = np.array([f"test/{k}" for k in range(len(clusters))])
    given = another(ids, seed, clusters)
    assert np.array_equal(np.sort(given), np.arange(len(ids)))
    assert (clusters[given] != clusters).all()
    order = rng.permutation(len(ids))
    again = another(ids[order], seed, clusters[order])
    assert np.array_equal(ids[order][again], ids[given][order])  # whatever the order of the rows
    alone = another(ids, seed)
    assert (alone != np.arange(len(ids))).all()


def test_one_cluster_alone_and_one_example_alone_are_shuffled_as_far_as_they_can_be() -> None:
    ids = np.array(["a", "b", "c"])
    assert (another(ids, 0, np.zeros(3, int)) != np.arange(3)).all()
    assert another(ids[:1], 0).tolist() == [0]
    assert another(ids, 0, np.array([0, 0, 1])).tolist()[2] in (0, 1)
