"""Convolutions that add what lies beside them and rectify what they write, in one pass over memory in place of three.

oneDNN can do so, and torch asks it to in code that it compiled alone. Where sums and rectifiers follow convolutions is seen in
one forward pass (`watched`). A rectifier often serves several places, so it stays, and leaves alone what comes to it rectified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

MARK = "_is_rectified"
ADDITIONS = ("add", "add_")  # the names of torch's functions behind `a + b` and `a += b` too


class FusedConvolution(nn.Module):
    """A convolution that may wait for what is added to its output, and whose negative outputs may be zero."""

    def __init__(self, conv: nn.Conv2d, *, adds: bool, rectifies: bool) -> None:
        super().__init__()
        self.conv, self.adds, self.rectifies, self.training = conv, adds, rectifies, conv.training

    def forward(self, x: Tensor) -> Tensor | AwaitedSum:
        """Images (n, channels, height, width) as of the convolution, or the promise of them where a sum comes next."""
        return AwaitedSum(self, x) if self.adds else self.alone(x)

    def alone(self, x: Tensor) -> Tensor:
        """The convolution without a sum; one that waits for a sum rectifies the sum alone."""
        conv, rectifies = self.conv, self.rectifies and not self.adds
        if rectifies and self._at_once(x):
            out: Tensor = torch.ops.mkldnn._convolution_pointwise(x, conv.weight, conv.bias, *self._place(), "relu", [], "")
        else:
            out = conv(x).relu_() if rectifies else conv(x)
        setattr(out, MARK, rectifies)
        return out

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The sum with `other`, which nothing reads any more and which the sum is written over."""
        conv = self.conv
        laid_out = isinstance(other, Tensor) and other.is_contiguous(memory_format=torch.channels_last)
        if laid_out and self._at_once(x) and other.dtype == x.dtype and other.shape == self._shape(x):
            relu, place = "relu" if self.rectifies else None, self._place()
            operator = torch.ops.mkldnn._convolution_pointwise_.binary
            out: Tensor = operator(other, x, conv.weight, conv.bias, *place, "add", 1.0, relu, [], "")
        else:
            out = conv(x) + other
            out = out.relu_() if self.rectifies else out
        setattr(out, MARK, self.rectifies)
        return out

    def _at_once(self, x: Tensor) -> bool:
        """Whether oneDNN takes such inputs: a processor's float32, or bf16 with weights to match."""
        known = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return x.device.type == "cpu" and x.dtype == self.conv.weight.dtype and bool(known)

    def _place(self) -> tuple[list[int], list[int], list[int], int]:
        conv = self.conv
        return [int(one) for one in conv.padding], list(conv.stride), list(conv.dilation), conv.groups

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        """What the convolution makes of the shape of its input."""
        conv, sides = self.conv, []
        for size, pad, step, far, kernel in zip(x.shape[2:], *self._place()[:3], conv.kernel_size, strict=True):
            sides.append((size + 2 * pad - far * (kernel - 1) - 1) // step + 1)
        return len(x), conv.out_channels, *sides


class AwaitedSum:
    """The output of a convolution that runs with the sum that it waits for, or by itself when anything else reads it."""

    def __init__(self, fused: FusedConvolution, x: Tensor) -> None:
        self._fused, self._x = fused, x
        self._out: Tensor | None = None

    def plus(self, other: Tensor) -> Tensor:
        """The sum, in one pass where the convolution has not run yet."""
        return self._fused.plus(self._x, other) if self._out is None else self._out + other

    def value(self) -> Tensor:
        """The output itself."""
        if self._out is None:
            self._out = self._fused.alone(self._x)
        return self._out

    __add__ = __radd__ = __iadd__ = plus

    def __getattr__(self, name: str) -> Any:
        return getattr(self.value(), name)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__name__", "") in ADDITIONS and len(args) == 2 and not kwargs:
            one, other = args if isinstance(args[0], cls) else args[::-1]
            return one.plus(other.value() if isinstance(other, cls) else other)
        args, kwargs = tree_map(lambda one: one.value() if isinstance(one, cls) else one, (args, kwargs))
        return function(*args, **(kwargs or {}))


def _by_value(name: str) -> Any:
    return lambda self, *others: getattr(self.value(), name)(*others)


for _name in ("sub", "rsub", "isub", "mul", "rmul", "imul", "truediv", "rtruediv", "itruediv", "pow", "matmul", "neg", "abs"):
    setattr(AwaitedSum, f"__{_name}__", _by_value(f"__{_name}__"))
for _name in ("getitem", "setitem", "len", "iter", "lt", "le", "gt", "ge", "eq", "ne", "bool", "float"):  # Python looks them up
    setattr(AwaitedSum, f"__{_name}__", _by_value(f"__{_name}__"))  # in the class alone


class Rectifier(nn.Module):
    """A ReLU that leaves alone what a convolution has rectified."""

    def __init__(self, relu: nn.ReLU) -> None:
        super().__init__()
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        out: Tensor = x if getattr(x, MARK, False) else self.relu(x)
        return out


def can_fuse(conv: nn.Conv2d) -> bool:
    """Whether the operators are in this build of torch, and know how the convolution pads."""
    known = conv.padding_mode == "zeros" and not isinstance(conv.padding, str) and type(conv) is nn.Conv2d
    operators = all(hasattr(torch.ops.mkldnn, name) for name in ("_convolution_pointwise", "_convolution_pointwise_"))
    return known and bool(torch.backends.mkldnn.is_available()) and operators  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A convolution of a network, whether its output goes into a sum, and the ReLU that follows, if one does."""

    conv: nn.Conv2d = field(kw_only=False)
    adds: bool
    relu: nn.ReLU | None


def fused(module: nn.Module, places: Iterable[Place]) -> nn.Module:
    """The module itself, changed at these places."""
    names = {part: name for name, part in module.named_modules()}
    for place in places:
        module.set_submodule(names[place.conv], FusedConvolution(place.conv, adds=place.adds, rectifies=place.relu is not None))
        if place.relu is not None and place.relu in names:
            module.set_submodule(names.pop(place.relu), Rectifier(place.relu))
    return module
