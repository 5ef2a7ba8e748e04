"""Blind rules: on made-up captions with a known answer, and on SugarCrepe's own captions where these are on the machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from repbench.measure import blind

SUGAR_CREPE = Path(__file__).parents[2] / "../shared/data/sugar-crepe"
SUBSETS = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


def test_the_shorter_caption_wins_where_something_is_added() -> None:
    captions = [("a dog", "a dog and a cat"), ("a cup", "a red cup")]
    verdict = blind.verdict(blind.length_scores(captions))
    assert verdict.score["fewest characters"] == 1
    assert verdict.score["most words"] == 0
    assert verdict.best == "fewest characters"
    assert verdict.solved.all()
    assert not verdict.hackable  # two examples prove nothing
    assert blind.verdict(blind.length_scores(captions * 100)).hackable


def test_captions_of_equal_length_tie_and_score_chance() -> None:
    captions = [("a dog", "a cat"), ("a cup", "a hat")]
    verdict = blind.verdict(blind.length_scores(captions))
    assert set(verdict.score.values()) == {0.5}
    assert not verdict.solved.any()


def test_every_rule_scores_chance_where_each_caption_is_right_once_and_wrong_once() -> None:
    captions = [("a dog on a mat", "a mat on a dog!"), ("a mat on a dog!", "a dog on a mat")]
    scores = {**blind.length_scores(captions), **blind.likelihood_scores(captions, ["a dog on a mat", "a cup"])}
    assert set(blind.verdict(scores).score.values()) == {0.5}


def test_two_pictures_for_two_captions_cannot_be_told_by_text() -> None:
    captions = [("a dog on a mat", "a mat on a dog!"), ("a cup", "a big cup"), ("a hat", "a cat")]
    verdict = blind.verdict(blind.length_scores(captions), "winoground", images=2)
    assert verdict.credit["fewest characters"] == pytest.approx([0, 0, 1 / 6])  # a tie earns chance
    assert verdict.chance == pytest.approx(1 / 6)
    assert not verdict.solved.any()


def test_a_language_model_knows_the_style_of_true_captions() -> None:
    scores = blind.likelihood_scores([("a red cup", "cup red a")], ["a red hat", "a blue cup", "a red dog"])
    assert scores["bigram model"][0, 0] > scores["bigram model"][0, 1]
    assert scores["bag of words"][0, 0] == pytest.approx(scores["bag of words"][0, 1])


def test_typicality_is_the_mean_cosine_with_true_captions() -> None:
    rng = np.random.default_rng(0)
    captions, true = rng.normal(size=(3, 2, 5)), rng.normal(size=(4, 5))
    cosine = np.einsum("nkd,md->nkm", captions, true) / (
        np.linalg.norm(captions, axis=2)[:, :, None] * np.linalg.norm(true, axis=1)
    )
    assert blind.typicality(captions, true) == pytest.approx(cosine.mean(axis=2))


def test_the_same_words_in_another_order() -> None:
    captions = [("A dog, a cat.", "a cat a dog"), ("a dog", "a dog dog")]
    assert blind.same_words(captions).tolist() == [True, False]


def sugar_crepe(subset: str) -> list[tuple[str, str]]:
    path = SUGAR_CREPE / f"{subset}.json"
    if not path.is_file():
        pytest.skip(f"SugarCrepe's captions are not at {path}")
    return [(row["caption"], row["negative_caption"]) for row in json.loads(path.read_text()).values()]


@pytest.mark.parametrize(("subset", "share"), [("add_att", 99.64), ("add_obj", 98.96), ("swap_att", 49.17)])
def test_what_the_shorter_caption_scores_on_sugar_crepe(subset: str, share: float) -> None:
    captions = sugar_crepe(subset)
    verdict = blind.verdict(blind.length_scores(captions))
    assert 100 * verdict.score["fewest characters"] == pytest.approx(share, abs=0.005)
    assert verdict.hackable == (subset != "swap_att")


def test_572_pairs_of_sugar_crepe_have_the_same_words() -> None:
    captions = [pair for subset in SUBSETS for pair in sugar_crepe(subset)]
    assert len(captions) == 7511
    assert int(blind.same_words(captions).sum()) == 572


def test_examples_of_one_image_that_fare_alike_count_as_one_and_others_by_themselves() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, 200).astype(np.float64)
    weight = np.full(600, 1 / 600)
    groups = np.repeat(np.arange(200), 3)
    assert blind.independent(np.repeat(images, 3), weight, groups) == pytest.approx(200)
    assert blind.independent(np.repeat(images, 3), weight, None) == pytest.approx(600)
    assert blind.independent(np.ones(600), weight, groups) == pytest.approx(200)
    alone = np.arange(600)
    assert blind.independent(rng.integers(0, 2, 600).astype(np.float64), weight, alone) == pytest.approx(600)
