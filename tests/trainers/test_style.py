"""Style-retaining SSL: which parameters keys share with their query, and the loss where it has a closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import repbench
from repbench.encoders.load import load_encoder
from repbench.errors import UnknownNameError
from repbench.trainers.factors import FACTORS, apply, draw
from repbench.trainers.methods.simclr import nt_xent
from repbench.trainers.methods.style_retaining import style_loss


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8))


def test_equal_parameters_give_equal_views_and_each_factor_changes_them() -> None:
    drawn = {name: torch.full((count,), 0.3) for name, count in FACTORS.items()}
    view = np.asarray(apply(picture(), drawn, 16))
    assert np.array_equal(view, np.asarray(apply(picture(), drawn, 16)))
    for name, count in FACTORS.items():
        other = np.asarray(apply(picture(), {**drawn, name: torch.full((count,), 0.8)}, 16))
        assert not np.array_equal(view, other), name
    assert len(draw("crop")) == 3


def test_with_one_space_it_is_the_contrastive_loss_of_queries_and_keys() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 7, 1, 5, generator=generator)
    cosines = torch.nn.functional.normalize(query[:, 0], dim=1) @ torch.nn.functional.normalize(key[:, 0], dim=1).T / 0.3
    expected = torch.nn.functional.cross_entropy(cosines, torch.arange(7))
    torch.testing.assert_close(style_loss(query, key, 0.3, 1.0), expected)


def test_equal_embeddings_score_the_log_of_the_batch() -> None:
    same = torch.ones(6, 3, 4)
    assert style_loss(same, same, 0.5, 1.0).item() == pytest.approx(math.log(6), rel=1e-6)
    assert nt_xent(same[:, 0], same[:, 0], 0.5).item() == pytest.approx(math.log(11), rel=1e-6)


def test_each_space_can_be_embedded_with_and_all_are_the_projection(tmp_path: Path) -> None:
    out = tmp_path / "style.safetensors"
    repbench.train("style-retaining", "digits", out=out, limit=20, epochs=1, batch_size=10, size=16, log=lambda line: None)
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def embedded(options: str) -> torch.Tensor:
        with torch.no_grad():
            embeddings: torch.Tensor = load_encoder(f"trained:{out}{options}").towers["image"].module(images)
        return embeddings

    spaces = [embedded(f",space={name}") for name in ("invariant", *FACTORS)]
    assert {one.shape for one in spaces} == {(3, 32)}
    assert not torch.allclose(spaces[0], spaces[1])
    torch.testing.assert_close(embedded(",feature=projection"), torch.cat(spaces, 1))
    assert embedded("").shape == (3, 192)
    with pytest.raises(UnknownNameError, match="Known: colour, crop, invariant, turn"):
        embedded(",space=sharpness")
