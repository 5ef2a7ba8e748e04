"""The choice of layer and pooling, against slices taken by hand."""

from __future__ import annotations

import copy
import pickle

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision import models

from repbench.encoders.features import count_prefix_tokens, first_tensor, pool_output, select_features
from repbench.errors import EncoderError, UnknownNameError


class Counting(nn.Module):
    """Two layers, of which the second counts how often it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 5, 3)
        self.unused = nn.Linear(1, 1)
        self.runs = 0
        self.second.register_forward_hook(self.count)

    def count(self, *_: object) -> None:
        self.runs += 1

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images))


def batch(size: int = 16) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_a_layer_is_averaged_over_space_and_the_rest_is_not_run() -> None:
    network = Counting()
    found = select_features(network, layer="first")(batch())
    torch.testing.assert_close(found, network.first(batch()).mean((2, 3)))
    assert network.runs == 0
    assert not network.first._forward_hooks


def test_other_poolings_of_a_map() -> None:
    network = Counting()
    maps = network.first(batch())
    torch.testing.assert_close(select_features(network, layer="first", pool="max")(batch()), maps.amax((2, 3)))
    torch.testing.assert_close(select_features(network, layer="first", pool="flatten")(batch()), maps.flatten(1))
    torch.testing.assert_close(select_features(network)(batch()), network(batch()).mean((2, 3)))


def test_a_network_stays_usable_after_an_error() -> None:
    network = Counting()
    chosen = select_features(network, layer="first")
    with pytest.raises(RuntimeError):
        chosen(torch.zeros(2, 7, 4, 4))
    assert network(batch()).shape == (2, 5, 12, 12)


def test_tokens_give_class_token_or_average_of_patches() -> None:
    network = timm.create_model("test_vit", num_classes=0).eval()
    tokens = {}
    network.blocks[3].register_forward_hook(lambda _m, _i, output: tokens.update(all=output))
    with torch.no_grad():
        network(batch(160))
        found = {
            pool: select_features(network, layer="blocks.3", pool=pool)(batch(160)) for pool in (None, "cls", "avg", "max")
        }
    torch.testing.assert_close(found[None], tokens["all"][:, 0])
    torch.testing.assert_close(found["cls"], tokens["all"][:, 0])
    torch.testing.assert_close(found["avg"], tokens["all"][:, 1:].mean(1))
    torch.testing.assert_close(found["max"], tokens["all"][:, 1:].amax(1))


def test_maps_with_channels_last_are_averaged_over_space() -> None:
    maps = torch.randn(2, 7, 7, 12)
    torch.testing.assert_close(pool_output(maps), maps.mean((1, 2)))
    torch.testing.assert_close(pool_output(maps.movedim(3, 1)), maps.mean((1, 2)))


def test_prefix_tokens_are_known_for_each_library() -> None:
    assert count_prefix_tokens(timm.create_model("test_vit")) == 1
    assert count_prefix_tokens(timm.create_model("test_resnet")) == 0
    vit = models.VisionTransformer(image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8)
    assert count_prefix_tokens(vit) == 1
    chosen = select_features(vit.eval(), layer="encoder", pool="avg")
    tokens = vit.encoder(torch.cat([vit.class_token.expand(2, -1, -1), vit._process_input(batch())], 1))
    torch.testing.assert_close(chosen(batch()), tokens[:, 1:].mean(1))


def test_unknown_layers_and_poolings_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'first'"):
        select_features(Counting(), layer="frist")
    with pytest.raises(UnknownNameError, match="unknown pooling 'average'"):
        select_features(Counting(), pool="average")


def test_a_layer_that_is_never_run_is_an_error() -> None:
    with pytest.raises(EncoderError, match="'unused' is never run"):
        select_features(Counting(), layer="unused")(batch())


@pytest.mark.parametrize(
    ("shape", "pool", "words"),
    [
        ((2, 4), "avg", "nothing to pool"),
        ((2, 4, 3, 3), "cls", "gives a map"),
        ((2, 5, 4), "cls", "no class token"),
        ((2, 4, 3, 3, 3), None, "cannot be pooled"),
    ],
)
def test_poolings_that_mean_nothing_are_errors(shape: tuple[int, ...], pool: str | None, words: str) -> None:
    with pytest.raises(EncoderError, match=words):
        pool_output(torch.zeros(shape), pool)


def test_the_tensor_is_found_in_tuples_and_mappings() -> None:
    tensor = torch.zeros(2, 3)
    for output in (tensor, (tensor, None), [(tensor,)], {"last": tensor, "pooled": 1}):
        assert first_tensor(output) is tensor
    for output in (None, (), {}, "text"):
        with pytest.raises(EncoderError, match="no tensor"):
            first_tensor(output)


def test_words_tell_the_choice() -> None:
    assert select_features(Counting(), layer="first", pool="max").words == "layer first, pooling max"
    assert "before the head" in select_features(Counting()).words


def test_a_choice_can_be_copied_and_pickled() -> None:
    chosen = select_features(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), layer="0")
    for again in (copy.deepcopy(chosen), pickle.loads(pickle.dumps(chosen))):
        torch.testing.assert_close(again(batch()), chosen(batch()))
