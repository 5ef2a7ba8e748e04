"""Convolutions that rectify what they write, in one pass over memory in place of two.

oneDNN can do so, and torch asks it to in code that it compiled alone. Which rectifier follows which convolution is seen in one
forward pass; a rectifier often serves several places, so it stays, and leaves alone what came to it rectified.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

MARK = "_is_rectified"


class RectifiedConvolution(nn.Module):
    """A convolution whose negative outputs are zero, float32 on a CPU at once, elsewhere one after the other."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, channels, height, width) as of the convolution."""
        conv = self.conv
        if x.device.type == "cpu" and x.dtype == torch.float32:
            place = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
            out: Tensor = torch.ops.mkldnn._convolution_pointwise(x, conv.weight, conv.bias, *place, "relu", [], "")
        else:
            out = conv(x).relu_()
        setattr(out, MARK, True)
        return out


class Rectifier(nn.Module):
    """A ReLU that leaves alone what a convolution has rectified."""

    def __init__(self, relu: nn.ReLU) -> None:
        super().__init__()
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        out: Tensor = x if getattr(x, MARK, False) else self.relu(x)
        return out


def can_rectify(conv: nn.Conv2d) -> bool:
    """Whether the operator is in this build of torch, and knows how the convolution pads."""
    known = conv.padding_mode == "zeros" and not isinstance(conv.padding, str) and type(conv) is nn.Conv2d
    return known and bool(torch.backends.mkldnn.is_available()) and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # type: ignore[no-untyped-call]


def rectified(module: nn.Module, pairs: Iterable[tuple[nn.Conv2d, nn.ReLU]]) -> nn.Module:
    """The module itself, changed: these convolutions rectify, and the rectifiers that read them need not."""
    names = {part: name for name, part in module.named_modules()}
    for conv, relu in pairs:
        module.set_submodule(names[conv], RectifiedConvolution(conv))
        if relu in names:
            module.set_submodule(names.pop(relu), Rectifier(relu))
    return module
