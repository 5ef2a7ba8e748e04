"""Architectures told from the shapes in a file, and the dicts of tensors in it."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from repbench.encoders.containers import find_containers, leading_parts
from repbench.encoders.guess import guess_architectures


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"),
        *("vit_tiny_patch16_224", "vit_base_patch16_224", "vit_small_patch14_dinov2", "vit_large_patch14_dinov2"),
    ],
)
def test_architectures_are_guessed_from_shapes(name: str) -> None:
    with torch.device("meta"):
        built = timm.create_model(name)
    assert guess_architectures({f"module.encoder.{key}": value for key, value in built.state_dict().items()}) == [
        f"timm:{name}"
    ]


def test_numbered_resnets_are_guessed_too() -> None:
    with torch.device("meta"):
        numbered = nn.Sequential(*list(timm.create_model("resnet50").children())[:-1])
    assert guess_architectures(numbered.state_dict()) == ["timm:resnet50"]


def test_nothing_is_guessed_from_other_networks() -> None:
    assert guess_architectures(nn.Linear(2, 2).state_dict()) == []
    assert guess_architectures(timm.create_model("test_convnext").state_dict()) == []


def test_containers_are_found_however_deep() -> None:
    content = {"a": {"b": {"c": {"w": torch.zeros(1)}}}, "n": 1, "w": torch.zeros(1), 3: {"x": torch.zeros(1)}}
    assert list(find_containers(content)) == ["", "a.b.c"]


def test_common_beginnings_of_names_are_listed_commonest_first() -> None:
    names = {f"module.encoder_{side}.{part}": torch.zeros(1) for side in "qk" for part in ("a", "b", "c")}
    assert leading_parts({"": names})[:3] == ["module.", "module.encoder_q.", "module.encoder_k."]
