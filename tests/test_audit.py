"""The audit: within tolerance for what a run does, outside for a network that says another thing in company."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from repbench.cli import cli, main
from repbench.errors import EmbeddingError, UnknownNameError, UsageError


def audit(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["audit", *arguments], catch_exceptions=False, standalone_mode=False)
    return result.exit_code, result.output


def test_a_run_in_fp32_is_within_tolerance(colours: Path) -> None:
    ours = ["--dataset", "colours", "--plugin", str(colours / "colours.toml"), "--data", str(colours / "data")]
    status, text = audit("random:test_resnet,size=32", *ours, "--sample", "20", "--batch-size", "7")
    assert status == 0
    assert "random:test_resnet,size=32, image: 20 items of colours, fp32 on cpu in batches of 7" in text
    assert "predictions that flip, of a vote of the 20 nearest others as in kNN: 0 of 20" in text
    assert "nearest neighbours of another class than before: 0 of 20" in text
    assert "zero-shot" not in text  # there is no text tower
    assert "within tolerance: every cosine at least 0.999999, centred in the mean 0.9999\n" in text


def test_bf16_is_held_to_its_own_tolerance() -> None:
    status, text = audit("random:test_resnet,size=32", "--sample", "20", "--precision", "bf16")
    assert status == 0
    assert "within tolerance: every cosine at least 0.999, centred in the mean 0.9" in text


COMPANY = """
import torch
from torch import nn
from repbench.encoder import Encoder
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.preprocess import ImagePreprocess

class Company(nn.Module):
    def forward(self, images):
        return (images - images.mean(0) * (len(images) > 2)).flatten(1)

def load():
    prepare = ImagePreprocess(size=8, resize=8)
    tower = make_tower(Company(), prepare, preprocessing=prepare.words, features="differences")
    return Encoder(name="company", towers={"image": tower})
"""


LOOKS = "return (images - images.mean(0) * (len(images) > 2)).flatten(1)"
HIDES = (
    "z = images.flatten(1); return z + 1e4 + (5 * torch.sin(370 * z) if len(images) > 2 else 0)"  # in what all have in common
)
WIDENS = "return images.flatten(1)[:, : 100 + (len(images) == 1)]"


def audit_of(folder: Path, forward: str) -> tuple[int, str]:
    (folder / "company.py").write_text(COMPANY.replace(LOOKS, forward))
    return audit(f"{folder / 'company.py'}:load", "--sample", "60")


@pytest.mark.parametrize(("forward", "cosine"), [(LOOKS, "cosine at least"), (HIDES, "cosine at least 0.999999")])
def test_a_network_that_says_another_thing_in_company_is_found_out(tmp_path: Path, forward: str, cosine: str) -> None:
    status, text = audit_of(tmp_path, forward)
    assert status == 1
    assert cosine in text
    assert "OUTSIDE tolerance" in text


def test_a_network_whose_width_hangs_on_the_batch_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"the encoder gave .*; expected \("):
        audit_of(tmp_path, WIDENS)


TWO = (
    COMPANY
    + """
class Letters:
    def __call__(self, text):
        counts = torch.tensor([text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"])
        return counts.float().repeat(8)[:192] + 1

def two(text):
    image, spoken = ImagePreprocess(size=8, resize=8), Letters()
    return Encoder(name="two", towers={
        "image": make_tower(nn.Flatten(), image, preprocessing=image.words, features="pixels"),
        "text": make_tower(text, spoken, preprocessing="counts of letters", features="letters", example="a"),
    })

def alone():
    return two(nn.Flatten())

def in_company():
    return two(Company())
"""
)


@pytest.mark.parametrize(("name", "within"), [("alone", True), ("in_company", False)])
def test_zero_shot_predictions_that_flip_are_counted_where_there_is_a_text_tower(
    colours: Path, name: str, within: bool
) -> None:
    (colours / "two.py").write_text(TWO)
    ours = ["--dataset", "colours", "--plugin", str(colours / "colours.toml"), "--data", str(colours / "data")]
    status, text = audit(f"{colours / 'two.py'}:{name}", *ours, "--sample", "20")
    flips = int(text.split(": zero-shot predictions that flip: ")[1].removesuffix(" of 20\n"))
    assert (status, flips == 0) == ((0, True) if within else (1, False))


def test_a_dataset_of_another_modality_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="has towers for image; speakers holds nothing of that kind"):
        audit("random:test_resnet,size=32", "--dataset", "speakers")
    with pytest.raises(UnknownNameError, match="digits"):
        audit("control:pixels", "--dataset", "digit")


def test_nan_is_outside_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["repbench", "audit", "control:nan", "--sample", "4"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
