"""Networks whose weights are laid out for oneDNN give the same embeddings, share their weights, or stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from repbench.embeddings import laid_out as module_under_test
from repbench.embeddings.forward import Forward
from repbench.embeddings.laid_out import LaidOutAttention, LaidOutLinear, laid_out
from repbench.embeddings.options import ExtractOptions
from repbench.encoders.load import load_encoder


def images(size: int) -> Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


def network(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if name == "text":
        model: Any = open_clip.create_model("ViT-S-32-alt")
        tokens = torch.randint(1, 400, (3, 77), generator=torch.Generator().manual_seed(1))
        return TextTower(model).eval().requires_grad_(False), tokens
    if name == "open_clip":
        return open_clip.create_model("ViT-S-32-alt").visual.eval().requires_grad_(False), images(224)
    if name == "torchvision":
        found = torchvision.models.VisionTransformer(64, 16, 2, 4, 48, 96)
        found.heads = nn.Identity()  # type: ignore[assignment]  # a new head is zero
        return found.eval().requires_grad_(False), images(64)
    return timm.create_model(name, num_classes=0).eval().requires_grad_(False), images(160)


class TextTower(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model.encode_text(tokens)  # type: ignore[no-any-return]


def count(module: nn.Module, kind: type) -> int:
    return sum(isinstance(part, kind) for part in module.modules())


@pytest.mark.parametrize(
    ("name", "attentions"), [("open_clip", 12), ("text", 10), ("torchvision", 2), ("test_vit", 0), ("test_convnext", 0)]
)
def test_linear_layers_and_attention_are_laid_out_and_embeddings_stay(name: str, attentions: int) -> None:
    plain, sample = network(name)
    before = {key: value.clone() for key, value in plain.state_dict().items()}
    quick = laid_out(plain, sample[:2])[0]
    assert quick is not plain
    assert count(quick, LaidOutAttention) == attentions
    assert count(quick, LaidOutLinear) > 0
    with torch.inference_mode():
        assert torch.nn.functional.cosine_similarity(quick(sample), plain(sample)).min() >= 0.999999
    assert all(torch.equal(value, before[key]) for key, value in plain.state_dict().items())
    owned = {parameter.data_ptr() for parameter in plain.parameters()}
    assert {parameter.data_ptr() for parameter in quick.parameters()} <= owned  # no second copy of the weights


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("mask", ["none", "float", "bool"])
def test_attention_is_that_of_torch_in_either_order_and_with_masks(first: bool, mask: str) -> None:
    torch.manual_seed(0)
    plain = nn.MultiheadAttention(16, 4, batch_first=first).eval().requires_grad_(False)
    hidden = torch.ones(6, 6, dtype=torch.bool).triu(1)
    masks = {"none": None, "float": torch.zeros(6, 6).masked_fill(hidden, float("-inf")), "bool": hidden}
    x = torch.randn(5, 6, 16) if first else torch.randn(6, 5, 16)
    got, weights = LaidOutAttention(plain)(x, x, x, need_weights=False, attn_mask=masks[mask])
    expected, _ = plain(x, x, x, need_weights=False, attn_mask=masks[mask])
    assert weights is None
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


def test_what_else_is_asked_of_attention_is_answered_by_the_original() -> None:
    torch.manual_seed(0)
    plain = nn.MultiheadAttention(16, 4, batch_first=True).eval().requires_grad_(False)
    quick, x, y = LaidOutAttention(plain), torch.randn(5, 6, 16), torch.randn(5, 3, 16)
    padding = torch.tensor([[False] * 5 + [True]] * 5)
    asked: list[tuple[tuple[Tensor, ...], dict[str, Any]]] = [
        ((x, y, y), {"need_weights": False}),
        ((x, x, x), {}),
        ((x, x, x), {"need_weights": False, "key_padding_mask": padding}),
        ((x, x, x, padding), {"need_weights": False}),
        ((x, x, x), {"need_weights": False, "attn_mask": torch.randn(20, 6, 6)}),
    ]
    for arguments, options in asked:
        got, expected = quick(*arguments, **options), plain(*arguments, **options)
        torch.testing.assert_close(got[0], expected[0])
        assert (got[1] is None) == (expected[1] is None)


class Odd(nn.Module):
    """A network whose embeddings hang on the type of its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x) * (1.0 if type(self.layer) is nn.Linear else 2.0)
        return out


def test_a_network_that_would_change_or_cannot_be_copied_or_is_too_large_stays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Odd()
    same, note = laid_out(odd, torch.randn(2, 4))
    assert same is odd
    assert note == "plain linear layers: the network with weights laid out is 1.0e+00 off"
    held = nn.Sequential(nn.Linear(4, 4))
    held.handle = (one for one in ())  # type: ignore[assignment]  # a generator cannot be copied
    assert laid_out(held, torch.randn(2, 4)) == (
        held,
        "plain linear layers: the network with weights laid out failed (TypeError)",
    )
    plain = nn.Sequential(nn.Linear(4, 4))
    assert laid_out(plain, torch.randn(2, 4))[0] is not plain
    monkeypatch.setattr(module_under_test, "MOST", 19)
    assert laid_out(plain, torch.randn(2, 4))[0] is plain


class Twos(nn.Module):
    """A network that cannot be given three inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.view(2, 4))  # type: ignore[no-any-return]


def test_a_network_that_cannot_be_looked_at_stays_itself_and_the_note_says_why() -> None:
    twos = Twos()
    assert laid_out(twos, torch.randn(2, 4)) == (
        twos,
        "plain linear layers: the network failed on two inputs more (RuntimeError)",
    )
    assert not twos.layer._forward_pre_hooks


def test_float64_and_bf16_inputs_take_the_weights_themselves() -> None:
    plain = nn.Linear(8, 8)
    for dtype in (torch.float64, torch.bfloat16):
        x = torch.randn(3, 8, dtype=dtype)
        assert torch.equal(LaidOutLinear(plain).to(dtype)(x), plain.to(dtype)(x))


def test_forward_passes_of_a_transformer_are_laid_out_in_fp32_alone() -> None:
    tower = load_encoder("timm:test_vit,pretrained=false").towers["image"]
    pixels = torch.randint(0, 256, (4, 160, 160, 3), dtype=torch.uint8)
    laid, half = Forward(tower, ExtractOptions()), Forward(tower, ExtractOptions(precision="bf16"))
    rows = laid(pixels)
    assert count(laid._module, LaidOutLinear) > 0  # type: ignore[arg-type]
    half(pixels)
    assert count(half._module, LaidOutLinear) == 0  # type: ignore[arg-type]
    with torch.inference_mode():
        np.testing.assert_allclose(rows, tower.module(tower.prepare.scale(pixels)).numpy(), rtol=1e-3, atol=1e-5)


class Keeping(nn.Module):
    """A network whose embedding is what a hook kept."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 5))
        self.body[0].register_forward_hook(self.keep)

    def keep(self, _: nn.Module, __: object, output: Tensor) -> None:
        self.kept = output

    def forward(self, x: Tensor) -> Tensor:
        self.body(x)
        return self.kept


def test_a_layer_whose_output_a_hook_keeps_stays_and_so_does_what_it_keeps() -> None:
    torch.manual_seed(0)
    network = Keeping().eval().requires_grad_(False)
    quick, others = laid_out(network, torch.randn(4, 12))[0], torch.randn(7, 12)
    assert count(quick, LaidOutLinear) <= 1
    with torch.inference_mode():
        torch.testing.assert_close(quick(others), network(others))


def test_weights_that_each_input_sets_are_not_laid_out() -> None:
    class Setting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            self.layer.weight.data.copy_(x.mean() * torch.eye(4))
            return self.layer(x)  # type: ignore[no-any-return]

    network = Setting()
    assert laid_out(network, torch.randn(3, 4))[0] is network


def test_hooks_and_inputs_of_the_network_itself_stay_as_they_were() -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4)).eval()
    sample = torch.randn(3, 4)
    before = sample.clone()
    assert laid_out(network, sample)[0] is not network
    assert torch.equal(sample, before)
    assert not any(part._forward_pre_hooks for part in network.modules())
