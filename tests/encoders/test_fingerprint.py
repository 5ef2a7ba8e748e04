"""Equal fingerprint, equal embeddings: what counts, what does not, and what cannot be a tower."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from repbench.encoders.fingerprint import Flat, fingerprint_module, make_tower
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import EncoderError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))


def test_equal_weights_have_equal_fingerprints() -> None:
    assert fingerprint_module(network()) == fingerprint_module(network())
    assert fingerprint_module(network(), "resnet") == fingerprint_module(network().train(), "resnet")


@pytest.mark.parametrize("name", ["0.weight", "0.bias", "1.running_mean", "1.num_batches_tracked"])
def test_any_changed_number_changes_the_fingerprint(name: str) -> None:
    changed = network()
    with torch.no_grad():
        changed.state_dict()[name].view(-1)[-1] += 1
    assert fingerprint_module(changed) != fingerprint_module(network())


def test_type_shape_name_and_words_count() -> None:
    plain = nn.Linear(4, 4, bias=False)
    found = [
        fingerprint_module(plain),
        fingerprint_module(plain, ""),
        fingerprint_module(plain, "a"),
        fingerprint_module(plain, "a", "b"),
        fingerprint_module(plain, "ab"),
        fingerprint_module(nn.Sequential(plain)),
        fingerprint_module(nn.Linear(4, 4, bias=False).half()),
    ]
    reshaped = nn.Linear(2, 8, bias=False)
    reshaped.weight.data = plain.weight.data.reshape(8, 2)
    assert len({*found[2:], fingerprint_module(reshaped), found[0]}) == len(found)


def test_layout_in_memory_does_not_count() -> None:
    strided = network().to(memory_format=torch.channels_last)
    assert fingerprint_module(strided) == fingerprint_module(network())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64, torch.bool, torch.int64])
def test_every_type_of_tensor_is_digested(dtype: torch.dtype) -> None:
    module = nn.Module()
    for name, shape in (("scalar", ()), ("empty", (0, 3)), ("plain", (2, 3))):
        module.register_buffer(name, torch.zeros(shape, dtype=dtype))
    first = fingerprint_module(module)
    module.plain[1, 1] = 1
    assert fingerprint_module(module) != first


def test_weights_that_were_never_loaded_are_an_error() -> None:
    with pytest.raises(EncoderError, match="never loaded"):
        fingerprint_module(nn.Linear(2, 2, device="meta"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_device_does_not_count() -> None:
    assert fingerprint_module(network().cuda()) == fingerprint_module(network())


def test_a_tower_is_frozen_flat_and_measured() -> None:
    module = network().train()
    tower = make_tower(module, ImagePreprocess(size=8, resize=8), preprocessing="p", features="f")
    assert tower.dim == 4
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert tower.module(torch.zeros(5, 3, 8, 8)).shape == (5, 4)
    assert isinstance(tower.module, Flat)


def test_preprocessing_features_and_architecture_are_part_of_the_fingerprint() -> None:
    prepare = ImagePreprocess(size=8, resize=8)
    words = [("p", "f", "a"), ("q", "f", "a"), ("p", "g", "a"), ("p", "f", "b"), ("p", "f", "a")]
    found = [make_tower(network(), prepare, preprocessing=p, features=f, architecture=a).fingerprint for p, f, a in words]
    assert len(set(found)) == 4
    assert found[0] == found[-1]


class Returns(nn.Module):
    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: Tensor) -> object:
        return self.value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 5, 4), "pool=avg"),
        (torch.zeros(2, 4, 3, 3), r"shape \(2, 4, 3, 3\)"),
        (torch.zeros(4), r"shape \(4,\)"),
        (torch.zeros(1, 4), r"here \(2, dim\)"),
        (torch.zeros(2, 4, dtype=torch.int64), "floating-point"),
        ((torch.zeros(2, 4),), "returns a tuple"),
        (None, "returns a NoneType"),
    ],
)
def test_what_is_no_embedding_is_an_error(value: object, words: str) -> None:
    with pytest.raises(EncoderError, match=words):
        make_tower(Returns(value), ImagePreprocess(size=8, resize=8), preprocessing="", features="")


def test_an_input_that_the_network_refuses_is_an_error_with_its_shape() -> None:
    with pytest.raises(EncoderError, match=r"batch of shape \(2, 3, 8, 8\).*size=PIXELS"):
        make_tower(nn.Linear(5, 4), ImagePreprocess(size=8, resize=8), preprocessing="", features="")


class OneAtATime(nn.Module):
    """A network for which memory ends at two items; `most` is what it was given and could take."""

    most = 0

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.most = max(self.most, len(x))
        return x.flatten(1)[:, :5]


def test_a_network_that_can_take_one_item_alone_is_measured_by_single_items() -> None:
    module = OneAtATime()
    assert make_tower(module, ImagePreprocess(size=8, resize=8), preprocessing="", features="").dim == 5
    assert module.most == 1


def test_the_example_measures_other_modalities() -> None:
    tower = make_tower(nn.Linear(3, 2), torch.tensor, preprocessing="", features="", example=[1.0, 2.0, 3.0])
    assert tower.dim == 2
