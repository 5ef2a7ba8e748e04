"""Networks of torchvision against torchvision itself: the input of the last linear layer, and its transforms."""

from __future__ import annotations

import urllib.error
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from repbench.encoder import Encoder
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.surgery import remove_head
from repbench.errors import EncoderError, UnknownNameError, UsageError

RUN = ["resnet18", "mobilenet_v3_small", "regnet_y_400mf", "shufflenet_v2_x0_5"]
SHAPED = {  # too large to run here: their shapes are followed on the device "meta"
    "vgg11": 4096,
    "alexnet": 4096,
    "maxvit_t": 512,
    "squeezenet1_0": 512,
    "swin_t": 768,
    "convnext_tiny": 768,
    "densenet121": 1024,
    "inception_v3": 2048,
    "googlenet": 1024,
    "efficientnet_b0": 1280,
    "mnasnet0_5": 1280,
    "vit_b_16": 768,
    "mobilenet_v2": 1280,
    "resnext50_32x4d": 2048,
    "wide_resnet50_2": 2048,
    "swin_v2_t": 768,
}


def embed(encoder: Encoder) -> Tensor:
    tower = encoder.towers["image"]
    with torch.no_grad():
        return tower.module(tower.prepare(dummy_image())[None])


def built_with(name: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return models.get_model(name, weights=None).eval()


def input_of_last_linear(network: nn.Module, images: Tensor) -> Tensor:
    seen: list[Tensor] = []
    linear = [module for name, module in network.named_modules() if isinstance(module, nn.Linear) and "AuxLogits" not in name]
    linear[-1].register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    with torch.no_grad():
        network(images)
    return seen[-1]


@pytest.mark.parametrize("name", RUN)
def test_the_default_is_the_input_of_the_classifier(name: str) -> None:
    encoder = load_encoder(f"torchvision:{name}/random", LoadOptions(seed=3))
    pixels = models.get_model_weights(name).DEFAULT.transforms()(dummy_image())[None]
    found = embed(encoder)
    torch.testing.assert_close(found, input_of_last_linear(built_with(name, 3), pixels))
    assert found.shape[1] == encoder.towers["image"].dim


@pytest.mark.parametrize("name", SHAPED)
def test_heads_of_all_families_are_removed(name: str) -> None:
    extra = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    with torch.device("meta"):
        network = models.get_model(name, weights=None, **extra).eval()
        before = network(torch.zeros(2, 3, 224, 224)).shape
        after = remove_head(network)(torch.zeros(2, 3, 224, 224)).shape
    assert before == (2, 1000)
    assert after == (2, SHAPED[name])


def test_a_vision_transformer_gives_its_class_token() -> None:
    torch.manual_seed(0)
    small = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    network = models.VisionTransformer(**small).eval()
    images = torch.randn(2, 3, 32, 32)
    expected = input_of_last_linear(network, images)
    torch.testing.assert_close(remove_head(network)(images), expected)


def test_a_network_without_a_head_asks_for_a_layer() -> None:
    for network in (nn.Sequential(nn.Flatten()), nn.Module()):
        with pytest.raises(EncoderError, match="layer=NAME"):
            remove_head(network)


def test_layers_poolings_and_sizes() -> None:
    encoder = load_encoder("torchvision:resnet18/random,layer=layer3,pool=avg,size=96")
    network, tower = built_with("resnet18", 0), encoder.towers["image"]
    with torch.no_grad():
        maps = network.maxpool(network.relu(network.bn1(network.conv1(tower.prepare(dummy_image())[None]))))
        expected = network.layer3(network.layer2(network.layer1(maps))).mean((2, 3))
    torch.testing.assert_close(embed(encoder), expected)
    assert tower.prepare(dummy_image()).shape == (3, 96, 96)
    plain, asked = (load_encoder(f"torchvision:resnet18/random{option}") for option in ("", ",pool=avg"))
    torch.testing.assert_close(embed(plain), embed(asked))
    with pytest.raises(UsageError, match="layer=NAME,pool=avg"):
        load_encoder("torchvision:densenet121/random,pool=max,size=64")


def test_unknown_names_name_the_nearest() -> None:
    for spec, near in (
        ("torchvision:resnt50", "'resnet50'"),
        ("torchvision:resnet50/IMAGENET1K_V3", "'IMAGENET1K_V2'"),
        ("torchvision:resnet18/random,layer=layr3", "'layer3'"),
        ("torchvision:resnet18/random,weights=x", "unknown option 'weights'"),
        ("torchvision:fcn_resnet50", "unknown torchvision architecture"),
    ):
        with pytest.raises(UnknownNameError, match=near):
            load_encoder(spec)


def test_weights_that_cannot_be_downloaded_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(EncoderError, match="torchvision:resnet18/random"):
        load_encoder("torchvision:resnet18")


def test_named_weights_are_loaded_with_their_own_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    state = built_with("resnet18", 4).state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: state)
    encoder = load_encoder("torchvision:resnet18/IMAGENET1K_V1")
    pixels = models.ResNet18_Weights.IMAGENET1K_V1.transforms()(dummy_image())[None]
    torch.testing.assert_close(embed(encoder), input_of_last_linear(built_with("resnet18", 4), pixels))
    assert "IMAGENET1K_V1" in encoder.notes["weights"]
