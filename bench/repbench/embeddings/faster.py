"""The fastest form of a network that gives the same embeddings: channels last, and convolutions that norm, add and rectify.

Which batch norm, sum or rectifier follows which convolution is watched in one forward pass, so that no source code need be
understood. What was watched is checked: a network whose embeddings would change stays as it is.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from repbench.embeddings.fused import Place, can_fuse, fused
from repbench.embeddings.same import Samples, changed, copy_of, is_as_made
from repbench.embeddings.watched import Watched

NORMS = ("BatchNorm2d", "SyncBatchNorm", "BatchNormAct2d")  # by name, as the convolutions


def faster(module: nn.Module, sample: Tensor) -> tuple[nn.Module, str]:
    """A copy of `module` that gives the same embeddings in less time, or `module` itself, with a note if a copy failed.

    `sample` is a batch of real inputs (n, ...), which is not changed. A network of fewer than two convolutions has nothing to
    gain. Raises whatever `module` itself raises on the sample.
    """
    if sample.ndim != 4 or not is_convolutional(module):
        return module, ""
    samples = Samples(module, sample)
    quick, note = changed(lambda: folded(copy_of(module), samples.sample), module, lambda: samples, channels_last=True)
    if quick is module:
        return module, f"plain forward pass: the folded network {note}"
    fused_too, note = changed(lambda: at_once(copy_of(quick), samples.sample), quick, lambda: samples, channels_last=True)
    return fused_too, f"folded forward pass: the network that adds and rectifies at once {note}" if note else ""


def is_convolutional(module: nn.Module) -> bool:
    """Whether convolutions do the work; a vision transformer has one, which cuts the image into patches."""
    return sum(isinstance(part, nn.Conv2d) for part in module.modules()) > 1


def folded(module: nn.Module, sample: Tensor) -> nn.Module:
    """The module itself, changed: each batch norm that alone reads a convolution's output is folded into that convolution."""
    names = {part: name for name, part in module.named_modules()}
    watched = Watched(module, sample)
    for conv, norm in watched.only_readers():
        if _is_norm(norm) and watched.runs(norm) == 1 and is_as_made(conv) and is_as_made(norm):
            _fold(conv, norm)
            module.set_submodule(names[norm], _what_is_left(norm))
    return module


def at_once(module: nn.Module, sample: Tensor) -> nn.Module:
    """The module itself, changed: convolutions add and rectify what a sum or a ReLU alone reads of them."""
    watched = Watched(module, sample)
    sums = {one.conv: one for one in watched.sums if not one.other_is_read and watched.runs(one.conv) == 1}
    places = [Place(conv, adds=True, relu=watched.rectifier(one)) for conv, one in sums.items()]
    for conv, relu in watched.only_readers(nn.Identity):
        if type(relu) is nn.ReLU and conv not in sums and watched.stays_rectified(relu):
            places.append(Place(conv, adds=False, relu=relu))
    known = [
        one for one in places if can_fuse(one.conv) and is_as_made(one.conv) and (one.relu is None or is_as_made(one.relu))
    ]
    return fused(module, known)


def _is_norm(part: Any) -> bool:
    return type(part).__name__ in NORMS and not part.training and part.running_var is not None


def _fold(conv: nn.Conv2d, norm: Any) -> None:
    """Scale and shift of the batch norm, computed in float64, go into weight and bias of the convolution."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    if conv.bias is not None:
        shift = shift + conv.bias.double() * scale
    weight = conv.weight.double() * scale[:, None, None, None]
    dtype = conv.weight.dtype
    conv.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    conv.bias = nn.Parameter(shift.to(dtype), requires_grad=False)


def _what_is_left(norm: Any) -> nn.Module:
    """timm's batch norms bring an activation, which stays."""
    return nn.Sequential(norm.drop, norm.act) if type(norm).__name__ == "BatchNormAct2d" else nn.Identity()
