"""BLIP: hard negatives, the captioning loss against its sum, causality, and scorers that come back as they were trained."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import repbench
from repbench.encoders.architectures import build
from repbench.encoders.small_fusion import FusionText, map_places
from repbench.encoders.small_text import PAD, WordHashes
from repbench.trainers.methods.blip import captioning_loss, hard_negatives


def test_hard_negatives_have_another_caption_and_follow_the_similarity() -> None:
    similarity = torch.tensor([[9.0, 9.0, 5.0, 1.0]]).expand(4, 4)
    caption = torch.tensor([0, 0, 1, 2])
    chosen = torch.stack([hard_negatives(similarity, caption, torch.full((4,), u)) for u in np.linspace(0.001, 0.999, 500)])
    assert set(chosen[:, 0].tolist()) == {2, 3}
    share = math.exp(5) / (math.exp(5) + math.exp(1))
    assert (chosen[:, 0] == 2).float().mean().item() == pytest.approx(share, abs=0.01)
    alone = hard_negatives(similarity, torch.zeros(4, dtype=torch.int64), torch.rand(4))
    assert all(place != own for own, place in enumerate(alone.tolist()))


def test_captioning_is_the_smoothed_sum_over_words_alone() -> None:
    tokens = torch.tensor([[1, 5, 7, PAD, PAD]])
    logits = torch.randn(1, 5, 9, generator=torch.Generator().manual_seed(0))
    logs = logits.log_softmax(2)[0]
    terms = [0.9 * logs[t, follows] + 0.1 * logs[t].mean() for t, follows in ((0, 5), (1, 7))]
    torch.testing.assert_close(captioning_loss(logits, tokens), -torch.stack(terms).mean())


def test_writing_sees_the_image_and_the_words_before() -> None:
    torch.manual_seed(0)
    text, seen = FusionText(6, width=16, depth=1, length=8).eval(), torch.randn(1, 4, 6)
    one, other = (WordHashes(length=8)(words)[None] for words in ("a red cat sits", "a red cat runs"))
    with torch.no_grad():
        first, second = text.write(one, seen), text.write(other, seen)
        torch.testing.assert_close(first[:, :4], second[:, :4])
        assert not torch.allclose(first[:, 4], second[:, 4])
        assert not torch.allclose(text.match(one, seen), text.match(one, seen + 1))
        logs = first[0, :4].log_softmax(1)
        expected = torch.stack([logs[t, one[0, t + 1]] for t in range(4)]).mean()
        torch.testing.assert_close(text.log_likelihood(one, seen)[0], expected)


def test_only_with_places_does_it_matter_where_a_pixel_of_a_map_lies() -> None:
    tokens, seen = WordHashes(length=8)("a cat")[None], torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(1))
    for places, told in ((0, False), (4, True)):
        torch.manual_seed(0)
        text = FusionText(6, places, width=16, depth=1, length=8).eval()
        with torch.no_grad():
            assert torch.allclose(text.match(tokens, seen), text.match(tokens, seen.flip(1)), atol=1e-6) != told
    assert map_places(build("small:resnet", seed=0).network, 64) == 16
    assert map_places(build("small:vit", seed=0).network, 32) == 0


def test_its_scorers_tell_the_colours_apart(colours: Path) -> None:
    encoder = repbench.train(
        *("blip", "colours"),
        out=colours / "blip.safetensors",
        data_folder=colours / "data",
        plugins=[colours / "colours.toml"],
        log=lambda line: None,
        options={"caption": "class"},
        epochs=25,
        batch_size=15,
        size=16,
        lr=3e-3,
    )
    assert set(encoder.scorers) == {"itm", "lm"}
    test = repbench.catalogue([colours / "colours.toml"]).dataset("colours")
    from repbench.datasets.open import open_dataset

    split = open_dataset(test, colours / "data").splits["test"]
    for scorer in encoder.scorers.values():
        images = torch.stack([scorer.prepare["image"](split.media["image"].load(place)) for place in range(len(split))])
        texts = torch.stack([scorer.prepare["text"](name) for name in split.class_names])
        with torch.no_grad():
            scores = torch.stack([scorer.module(images, text.expand(len(images), -1)) for text in texts], 1)
        assert (scores.argmax(1).numpy() == split.label).mean() > 0.8  # chance 1/3
