"""Untrained networks: made by the run's seed and nothing else."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor
from torchvision import models

from repbench.encoder import Encoder
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EncoderError, UnknownNameError


def embed(encoder: Encoder) -> Tensor:
    tower = encoder.towers["image"]
    with torch.no_grad():
        return tower.module(tower.prepare(dummy_image())[None])


@pytest.mark.parametrize("spec", ["random:resnet18,size=64", "random:timm:resnet18,size=64"])
def test_a_name_without_family_is_timms_network_of_the_seed(spec: str) -> None:
    encoder = load_encoder(spec, LoadOptions(seed=3))
    torch.manual_seed(3)
    expected = timm.create_model("resnet18", num_classes=0).eval()
    pixels = encoder.towers["image"].prepare(dummy_image())[None]
    assert pixels.shape == (1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(embed(encoder), expected(pixels))


def test_a_network_of_torchvision_of_the_seed() -> None:
    encoder = load_encoder("random:torchvision:resnet18,size=64", LoadOptions(seed=3))
    torch.manual_seed(3)
    expected = models.resnet18(weights=None).eval()
    expected.fc = torch.nn.Identity()  # type: ignore[assignment]
    with torch.no_grad():
        torch.testing.assert_close(embed(encoder), expected(encoder.towers["image"].prepare(dummy_image())[None]))


def test_the_seed_decides_and_torch_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    zero, again, one = (load_encoder("random:test_resnet", LoadOptions(seed=seed)) for seed in (0, 0, 1))
    assert torch.rand(1) == expected
    assert zero.fingerprint == again.fingerprint != one.fingerprint
    torch.testing.assert_close(embed(zero), embed(again), rtol=0, atol=0)
    assert one.notes["weights"] == "random, seed 1"


def test_layer_and_pooling_can_be_chosen() -> None:
    encoder = load_encoder("random:torchvision:resnet18,size=64,layer=layer2,pool=max")
    assert embed(encoder).shape == (1, 128)
    assert "layer2" in encoder.towers["image"].features


def test_untrained_networks_are_controls() -> None:
    assert load_encoder("random:test_resnet").kind == "control"
    assert load_encoder("random:test_resnet").name == "random:test_resnet"


def test_no_weights_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    load_encoder("random:resnet18,size=32")
    load_encoder("random:torchvision:resnet18,size=32")


def test_unknown_names_name_the_nearest() -> None:
    for spec, words in (
        ("random:resnt18", "'resnet18'"),
        ("random:torchvision:resnt18", "'resnet18'"),
        ("random:test_resnet,siz=64", "'size'"),
        ("random:test_resnet,layer=layer9", "'layer1'|'layer4'|Did you mean"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            load_encoder(spec)


def test_a_size_that_the_network_cannot_read_says_so() -> None:
    with pytest.raises(EncoderError, match="another input size"):
        load_encoder("random:torchvision:vit_b_32,size=100")
