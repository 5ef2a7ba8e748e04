"""Encoders that a training run wrote: what comes back is what was trained, and nothing else passes for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from repbench.encoders.load import load_encoder
from repbench.errors import EncoderError, UnknownNameError
from repbench.trainers.files import RunFiles
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.settings import TrainSettings

SETTINGS = TrainSettings(arch="small:resnet", epochs=1, batch_size=8, optimizer="adamw", lr=0.1, weight_decay=0.0, size=16)
FACTS = {
    "method": "simclr",
    "settings": {"epochs": 1, "seed": 0},
    "data": {"dataset": "colours", "split": "train", "fingerprint": "0123456789abcdef"},
    "versions": {"repbench": "0"},
}


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, ImageEncoder]:
    encoder = ImageEncoder(SETTINGS, (12, 6))
    encoder(torch.randint(0, 255, (9, 16, 16, 3), dtype=torch.uint8))  # batch norms that have seen something
    path = tmp_path / "run.safetensors"
    RunFiles(path).export({"image": encoder.tower()}, FACTS)
    return path, encoder.eval()


def test_its_feature_and_its_projection_are_those_of_the_run(written: tuple[Path, ImageEncoder]) -> None:
    path, encoder = written
    pixels = torch.randint(0, 255, (4, 16, 16, 3), dtype=torch.uint8)
    tower = load_encoder(f"trained:{path}").towers["image"]
    inputs = encoder.preprocess.scale(pixels)
    with torch.no_grad():
        torch.testing.assert_close(tower.module(inputs), encoder.features(pixels))
        projected = load_encoder(f"trained:{path},feature=projection").towers["image"]
        torch.testing.assert_close(projected.module(inputs), encoder(pixels))
    assert (tower.dim, projected.dim) == (192, 6)
    assert tower.fingerprint != projected.fingerprint


def test_its_row_is_named_without_the_folders(written: tuple[Path, ImageEncoder]) -> None:
    assert load_encoder(f"trained:{written[0]},layer=layer3").name == "trained:run.safetensors,layer=layer3"


def test_files_that_are_not_of_one_run_are_refused(written: tuple[Path, ImageEncoder], tmp_path: Path) -> None:
    path, _ = written
    with pytest.raises(UnknownNameError, match="projection"):
        load_encoder(f"trained:{path},feature=projektion")
    with pytest.raises(EncoderError, match="repbench train"):
        load_encoder(f"trained:{tmp_path}/other.safetensors")
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(EncoderError, match="another digest"):
        load_encoder(f"trained:{path}")
    path.with_suffix(".json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(EncoderError, match="no description"):
        load_encoder(f"trained:{path}")


def test_a_description_can_name_no_code_to_run(written: tuple[Path, ImageEncoder], tmp_path: Path) -> None:
    path, _ = written
    about = json.loads(path.with_suffix(".json").read_text())
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')")
    about["towers"]["image"]["architecture"] = f"locked {tmp_path}/evil.py:load"
    path.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(EncoderError, match="cannot be locked"):
        load_encoder(f"trained:{path}")


def test_a_description_that_lacks_something_is_refused_in_words(written: tuple[Path, ImageEncoder]) -> None:
    path, _ = written
    about = json.loads(path.with_suffix(".json").read_text())
    del about["towers"]["image"]["preprocess"]
    path.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(EncoderError, match="'preprocess'"):
        load_encoder(f"trained:{path}")
