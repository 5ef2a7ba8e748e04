"""Networks of timm against timm itself: its transform and its pooled feature."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from repbench.encoder import Encoder
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError

NETWORKS = ["test_resnet", "test_vit", "test_vit2", "test_convnext", "test_efficientnet", "test_byobnet"]
NETWORKS += [name for name in ("test_maxvit",) if timm.is_model(name)]  # only a newer timm has it


def reference(name: str, seed: int = 0, **changes: Any) -> tuple[Any, Tensor]:
    """The network that the seed gives, and the dummy image as timm prepares it."""
    torch.manual_seed(seed)
    built = timm.create_model(name, num_classes=0).eval()
    config = {**timm.data.resolve_model_data_config(built), **changes}
    return built, timm.data.create_transform(**config, is_training=False)(dummy_image())[None]


def embed(encoder: Encoder) -> Tensor:
    tower = encoder.towers["image"]
    with torch.no_grad():
        return tower.module(tower.prepare(dummy_image())[None])


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_is_the_pooled_feature_of_timm(name: str) -> None:
    built, pixels = reference(name)
    encoder = load_encoder(f"timm:{name},pretrained=false")
    with torch.no_grad():
        torch.testing.assert_close(embed(encoder), built(pixels))
    assert encoder.towers["image"].dim == built.head_hidden_size


def test_the_seed_decides_random_networks_and_torch_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    zero, one = (load_encoder("timm:test_resnet,pretrained=false", LoadOptions(seed=seed)) for seed in (0, 1))
    assert torch.rand(1) == expected
    assert zero.fingerprint == load_encoder("timm:test_resnet,pretrained=false").fingerprint != one.fingerprint


def test_average_of_patches_is_taken_behind_the_last_norm() -> None:
    built, pixels = reference("test_vit")
    with torch.no_grad():
        expected = built.forward_features(pixels)[:, 1:].mean(1)
    torch.testing.assert_close(embed(load_encoder("timm:test_vit,pretrained=false,pool=avg")), expected)


def test_asking_for_the_own_pooling_changes_nothing() -> None:
    for name, pool in (("test_vit", "cls"), ("test_resnet", "avg"), ("test_vit2", "avg")):
        plain, asked = (load_encoder(f"timm:{name},pretrained=false{option}") for option in ("", f",pool={pool}"))
        assert plain.fingerprint == asked.fingerprint


def test_attention_pooling_is_the_networks_own_or_an_error() -> None:
    with pytest.raises(EncoderError, match="no attention pooling"):
        load_encoder("timm:test_resnet,pretrained=false,pool=map")


def test_a_layer_in_the_middle() -> None:
    built, pixels = reference("test_resnet")
    with torch.no_grad():
        maps = built.layer2(built.layer1(built.maxpool(built.act1(built.bn1(built.conv1(pixels))))))
    encoder = load_encoder("timm:test_resnet,pretrained=false,layer=layer2,pool=max")
    torch.testing.assert_close(embed(encoder), maps.amax((2, 3)))
    assert "layer2" in encoder.towers["image"].features


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_another_size_of_images(name: str) -> None:
    built, pixels = reference(name, input_size=(3, 96, 96), crop_pct=1.0)
    if name == "test_vit":
        built.set_input_size(img_size=(96, 96))
    encoder = load_encoder(f"timm:{name},pretrained=false,size=96")
    with torch.no_grad():
        torch.testing.assert_close(embed(encoder), built(pixels))
    assert "crop 96" in encoder.towers["image"].preprocessing


def test_weights_from_a_file_keep_the_preparation_of_timm(tmp_path: Path) -> None:
    torch.manual_seed(3)
    trained = timm.create_model("test_vit", num_classes=9).eval()
    save_file(trained.state_dict(), tmp_path / "model.safetensors")
    encoder = load_encoder(f"timm:test_vit,weights={tmp_path / 'model.safetensors'}")
    _, pixels = reference("test_vit")
    with torch.no_grad():
        expected = trained.forward_head(trained.forward_features(pixels), pre_logits=True)
    torch.testing.assert_close(embed(encoder), expected)
    assert encoder.load_report is not None
    assert "std 0.5" in encoder.towers["image"].preprocessing
    assert encoder.name == "timm:test_vit,weights=model.safetensors"
    with pytest.raises(UsageError, match="exclude each other"):
        load_encoder(f"timm:test_vit,weights={tmp_path / 'model.safetensors'},pretrained=true")


def test_unknown_names_name_the_nearest() -> None:
    for spec, near in (
        ("timm:resnt50", "'resnet50'"),
        ("timm:test_vit.r160_in1", "'r160_in1k'"),
        ("timm:test_vit,pretrained=false,layer=block.3", "'blocks.3'"),
        ("timm:test_vit,pretrained=false,pool=average", "unknown pooling"),
        ("timm:test_vit,pretrain=false", "'pretrained'"),
    ):
        with pytest.raises(UnknownNameError, match=near):
            load_encoder(spec)
    with pytest.raises(UsageError, match="pretrained=true or"):
        load_encoder("timm:test_vit,pretrained=no")


def test_weights_that_cannot_be_downloaded_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"offline, use pretrained=false.*weights=FILE"):
        load_encoder("timm:test_vit3.r160_in1k")
    with pytest.raises(EncoderError, match="timm has no weights"):
        load_encoder("timm:cspresnet50d")
