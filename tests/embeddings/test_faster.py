"""The faster network gives the same embeddings, or it is not used."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from repbench.embeddings.faster import at_once, faster, folded
from repbench.embeddings.fused import FusedConvolution
from repbench.embeddings.laid_out import laid_out


def with_statistics(network: nn.Module) -> nn.Module:
    """The network with running statistics that are not those of a fresh one, so that a wrong fold shows."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=generator)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2, generator=generator)  # type: ignore[union-attr]
            part.weight.data.uniform_(0.5, 2, generator=generator)
            part.bias.data.normal_(0, 0.3, generator=generator)
    return network.eval().requires_grad_(False)


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def inputs(size: int = 64) -> Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda: timm.create_model("test_resnet", num_classes=0), 0),
        (lambda: torchvision.models.resnet18(), 0),
        (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=0), 0),
        (lambda: timm.create_model("mobilenetv3_small_050", num_classes=0), 0),
        (lambda: timm.create_model("resnetv2_50", num_classes=0, layers=(1, 1, 1, 1), channels=(16, 16, 16, 16)), 5),
    ],
)
def test_batch_norms_after_a_convolution_are_folded_and_embeddings_stay(build: Callable[[], nn.Module], left: int) -> None:
    plain = with_statistics(build())
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    quick, note = faster(plain, inputs())
    assert note == ""
    assert norms(quick) == left < norms(plain)
    with torch.no_grad():
        assert torch.nn.functional.cosine_similarity(quick(inputs()), plain(inputs())).min() >= 0.999999
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


class Twisted(nn.Module):
    """Convolution and batch norm with something between or beside them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.conv, self.norm, self.other = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.last = nn.Conv2d(4, 5, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        if self.kind == "changed in place":
            maps = self.norm(maps.relu_())
        elif self.kind == "read by two norms":
            maps = self.norm(maps) * self.other(maps)
        elif self.kind == "norm run twice":
            maps = self.norm(self.norm(maps))
        elif self.kind == "conv run twice":
            maps = self.norm(maps) + self.conv(images.flip(3))
        elif self.kind == "read by a function too":
            maps = self.norm(maps) + maps
        elif self.kind == "weights are read":
            maps = self.norm(maps) * self.conv.weight.sum()
        output: Tensor = self.last(maps).mean((2, 3))
        return output


ELSEWHERE = ["changed in place", "read by two norms", "norm run twice", "conv run twice", "read by a function too"]


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_convolution_that_others_read_keeps_its_batch_norm(kind: str) -> None:
    plain = with_statistics(Twisted(kind))
    quick, note = faster(plain, inputs(16))
    assert note == ""
    assert norms(quick) == 2
    with torch.no_grad():
        assert torch.allclose(quick(inputs(16)), plain(inputs(16)), atol=1e-5)


def test_a_network_whose_embeddings_would_change_stays_plain_and_says_so() -> None:
    plain = with_statistics(Twisted("weights are read"))
    quick, note = faster(plain, inputs(16))
    assert quick is plain
    assert "plain forward pass: the folded network is" in note


def test_a_network_that_cannot_be_copied_stays_plain_and_says_so() -> None:
    plain = with_statistics(Twisted("read by two norms"))
    plain.handle = (one for one in ())  # type: ignore[assignment]  # a generator cannot be copied
    quick, note = faster(plain, inputs(16))
    assert quick is plain
    assert "the folded network failed (TypeError)" in note


def test_a_transformer_has_nothing_to_fold_and_is_not_copied() -> None:
    plain = timm.create_model("test_vit", num_classes=0).eval()
    assert faster(plain, inputs(160)) == (plain, "")


def test_a_batch_norm_in_training_mode_is_not_folded() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    assert norms(folded(network, inputs(16))) == 1


class Rectified(nn.Module):
    """Two convolutions of which a ReLU, one for all places, reads the first; what is added is not rectified by itself."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=kind == "in place")

    def forward(self, x: Tensor) -> Tensor:
        drawn = self.first(x)
        kept = drawn.clone() if self.kind == "read beside" else 0.0
        if self.kind == "changed between":
            drawn = drawn - 0.5
        hidden = self.relu(drawn)
        if self.kind == "changed after":
            hidden -= 0.5
            hidden = self.relu(hidden)
        if self.kind == "read twice":
            hidden = hidden + drawn
        out = self.second(hidden)
        out += hidden
        return (self.relu(out) + kept).mean(dim=(2, 3))  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["", "in place", "read beside", "read twice", "changed between", "changed after"])
def test_a_convolution_rectifies_only_where_the_embeddings_stay(kind: str) -> None:
    torch.manual_seed(0)
    network = Rectified(kind).eval().requires_grad_(False)
    quick, note = faster(network, inputs(16))
    assert note == ""
    assert any(isinstance(part, FusedConvolution) for part in quick.modules()) == (kind in ("", "in place"))
    for batch in (inputs(16), inputs(16).to(memory_format=torch.channels_last)):
        with torch.inference_mode():
            torch.testing.assert_close(quick(batch), network(batch), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("padding", [{"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_a_padding_that_the_operator_does_not_know_stays_as_it_is(padding: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = Rectified("")
    network.first = nn.Conv2d(3, 8, 3, **padding)
    network.eval().requires_grad_(False)
    quick, _ = faster(network, inputs(16))
    assert not any(isinstance(part, FusedConvolution) for part in quick.modules())
    with torch.no_grad():
        torch.testing.assert_close(quick(inputs(16)), network(inputs(16)), rtol=1e-4, atol=1e-6)


def test_every_convolution_of_a_resnet_adds_or_rectifies_at_once_and_so_it_does_in_bf16() -> None:
    plain = with_statistics(torchvision.models.resnet18())
    quick, _ = faster(plain, inputs())
    parts = [part for part in quick.modules() if isinstance(part, FusedConvolution)]
    assert all(part.rectifies for part in parts)
    assert sum(not part.adds for part in parts) == 9  # the stem, and the first of each of 8 blocks
    assert sum(part.adds for part in parts) == 8  # the second of each
    with torch.no_grad():
        halved = quick.to(torch.bfloat16)(inputs().bfloat16()).float()
        assert torch.nn.functional.cosine_similarity(halved, plain(inputs())).min() > 0.999


class Summed(nn.Module):
    """Two convolutions, the second of which is added to what the first gave."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.kind == "over the input" else self.first(x)
        inner = torch.tanh(shortcut)
        out = self.second(inner)
        kept: Tensor | float = 0.0
        if self.kind == "input changed":
            inner.mul_(3.0)
        elif self.kind == "output read before":
            kept = out.sin()
        elif self.kind == "a part of the shortcut":
            shortcut = shortcut[:, :1]
        elif self.kind == "a view":
            shortcut = shortcut.view_as(shortcut)
        if self.kind == "function":
            total = torch.add(shortcut, out)
        elif self.kind == "over the shortcut":
            shortcut += out
            total = shortcut
        elif self.kind == "twice":
            total = out + torch.add(out, shortcut, alpha=2)
        else:
            total = out + shortcut
        if self.kind == "shortcut read after":
            kept = torch.cat([shortcut, shortcut]).chunk(2)[0]
        elif self.kind == "sum read beside":
            kept = total.cos()
        ended = total if self.kind == "linear" else self.relu(total)
        return (ended + kept).mean(dim=(2, 3))  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["", "function", "over the shortcut", "linear", "sum read beside"])
def test_a_convolution_adds_at_once_and_rectifies_the_sum_where_a_relu_alone_reads_it(kind: str) -> None:
    torch.manual_seed(0)
    network = Summed(kind).eval().requires_grad_(False)
    quick, note = faster(network, inputs(16))
    assert note == ""
    (fused,) = (part for part in quick.modules() if isinstance(part, FusedConvolution) and part.adds)
    assert fused.rectifies == (kind not in ("linear", "sum read beside"))
    for batch in (inputs(16), inputs(16).to(memory_format=torch.channels_last), inputs(20)):
        given = batch.clone()
        with torch.inference_mode():
            torch.testing.assert_close(quick(batch), network(given), rtol=1e-4, atol=1e-6)
        assert torch.equal(batch, given)  # the caller's images are not written over


UNSAFE = [
    "over the input",
    "input changed",
    "output read before",
    "a part of the shortcut",
    "a view",
    "twice",
    "shortcut read after",
]


@pytest.mark.parametrize("kind", UNSAFE)
def test_a_sum_that_cannot_wait_or_be_written_over_is_left_alone(kind: str) -> None:
    torch.manual_seed(0)
    network = Summed(kind).eval().requires_grad_(False)
    quick = at_once(copy.deepcopy(network), inputs(16))
    assert not any(isinstance(part, FusedConvolution) and part.adds for part in quick.modules())
    with torch.inference_mode():
        torch.testing.assert_close(quick(inputs(16)), network(inputs(16)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "sums", "size"),
    [
        (lambda: torchvision.models.resnet50(), 16, 64),
        (lambda: timm.create_model("resnet26d", num_classes=0), 8, 64),
        (lambda: timm.create_model("mobilenetv2_050", num_classes=0), 10, 64),
        (lambda: open_clip.create_model("RN50", force_image_size=64).visual, 16, 64),
    ],
)
def test_each_residual_block_of_known_networks_adds_at_once(build: Callable[[], nn.Module], sums: int, size: int) -> None:
    torch.manual_seed(0)
    plain = with_statistics(build())
    quick, note = faster(plain, inputs(size))
    assert note == ""
    assert sum(isinstance(part, FusedConvolution) and part.adds for part in quick.modules()) == sums
    with torch.inference_mode():
        assert torch.nn.functional.cosine_similarity(quick(inputs(size)), plain(inputs(size))).min() >= 0.999999


def test_what_awaits_a_sum_is_a_tensor_to_whatever_else_reads_it() -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 3, 1).requires_grad_(False), inputs(8)
    waiting, out = FusedConvolution(conv, adds=True, rectifies=True)(x), conv(x)
    assert waiting.shape == out.shape
    assert torch.equal(torch.cat([waiting, waiting]), torch.cat([out, out]))  # type: ignore[list-item]
    torch.testing.assert_close(waiting + x, (out + x), rtol=1e-5, atol=1e-6)


def test_a_rectified_map_that_is_written_over_is_rectified_again() -> None:
    """The sample is bright, so that the second ReLU changes nothing of it."""
    torch.manual_seed(0)
    network = WrittenOver().eval().requires_grad_(False)
    quick, _ = faster(network, inputs(16).abs() + 5)
    dark = -inputs(16).abs() - 5
    with torch.inference_mode():
        torch.testing.assert_close(quick(dark), network(dark), rtol=1e-4, atol=1e-5)


class WrittenOver(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.relu(self.first(x))
        hidden += x.mean((1, 2, 3), keepdim=True)
        return self.second(self.relu(hidden)).mean((2, 3))  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["conv", "norm", "relu"])
def test_a_part_with_a_hook_is_not_replaced(kind: str) -> None:
    torch.manual_seed(0)
    parts = {"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "relu": nn.ReLU()}
    network = nn.Sequential(*parts.values(), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with_statistics(network)
    parts[kind].register_forward_hook(lambda *given: given[-1].clamp(-2, 2))
    quick, _ = faster(network, 0.01 * inputs(16))  # the hook changes nothing of the sample
    with torch.inference_mode():
        torch.testing.assert_close(quick(100 * inputs(16)), network(100 * inputs(16)), rtol=1e-4, atol=1e-4)


def test_a_network_that_writes_over_its_input_is_given_copies() -> None:
    network = nn.Sequential(
        nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    sample = inputs(16)
    faster(network.eval().requires_grad_(False), sample)
    assert torch.equal(sample, inputs(16))


def test_a_network_that_is_its_own_copy_is_left_alone() -> None:
    class Itself(nn.Sequential):
        def __deepcopy__(self, _: object) -> nn.Module:
            return self

    network = with_statistics(Itself(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), nn.Flatten()))
    quick, note = faster(network, inputs(16))
    assert quick is network
    assert norms(network) == 1
    assert "failed (TypeError)" in note


def test_what_awaits_a_sum_bears_the_other_operators() -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 3, 1).requires_grad_(False), inputs(8)
    out = conv(x)

    def waiting() -> Any:
        return FusedConvolution(conv, adds=True, rectifies=False)(x)

    for got, expected in [
        (waiting() + 1.0, out + 1.0),
        (waiting() * 0.5, out * 0.5),
        (2 - waiting(), 2 - out),
        (-waiting(), -out),
        (waiting()[:, :1], out[:, :1]),
        (waiting() > 0, out > 0),
    ]:
        assert torch.equal(got, expected)


def test_a_traced_network_of_torchvision_keeps_its_statistics() -> None:
    """Its copies come in training mode, whatever it is in."""
    traced = create_feature_extractor(torchvision.models.resnet18(), {"fc": "z"}).eval().requires_grad_(False)
    network = with_statistics(Named(traced))
    before, expected = copy.deepcopy(network.state_dict()), network(inputs())
    quick, note = faster(network, inputs())
    quick, _ = laid_out(quick, inputs())
    assert note == ""
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.inference_mode():
        torch.testing.assert_close(quick(inputs()), expected, rtol=1e-3, atol=1e-4)


class Named(nn.Module):
    """The output of a network that gives several, by name."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)["z"]  # type: ignore[no-any-return]
