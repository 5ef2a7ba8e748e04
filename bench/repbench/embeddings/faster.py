"""The fastest form of a network that gives the same embeddings: batch norms and rectifiers in the convolutions, channels last.

Which of them follows which convolution is watched in one forward pass, so that no source code need be understood. What
was watched is checked: a network whose embeddings would change stays as it is.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from repbench.embeddings.rectified import can_rectify, rectified

SAME = 1e-3  # largest norm of a difference, as a share of the embedding's: its cosine is then above 0.9999995
CONVOLUTIONS = ("Conv2d", "Conv2dSame")  # by name: a subclass that changes its weights in each pass cannot be folded
NORMS = ("BatchNorm2d", "SyncBatchNorm", "BatchNormAct2d")


def faster(module: nn.Module, sample: Tensor) -> tuple[nn.Module, str]:
    """A copy of `module` that gives the same embeddings in less time, or `module` itself, with a note if its copy failed.

    `sample` is a batch of real inputs (n, ...). A network of fewer than two convolutions has nothing to gain. Raises
    whatever `module` itself raises on the sample.
    """
    if sample.ndim != 4 or not is_convolutional(module):
        return module, ""
    with torch.no_grad():
        expected = module(sample)
        try:
            quick = folded(copy.deepcopy(module), sample)
            share = _off(quick, sample, expected)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a network that cannot be copied or changed may raise anything
            return module, f"plain forward pass: the folded network failed ({type(error).__name__})"
    if not share <= SAME:  # NaN counts as another number
        return module, f"plain forward pass: the folded network is {share:.1e} off"
    return _rectifying(quick, sample, expected), ""


def _rectifying(quick: nn.Module, sample: Tensor, expected: Tensor) -> nn.Module:
    """A copy whose convolutions rectify, if that can be had and keeps the embeddings, else the network itself."""
    with torch.no_grad():
        try:
            copied = copy.deepcopy(quick)
            changed = rectified(copied, _rectifiers(copied, sample))
            return changed if _off(changed, sample, expected) <= SAME else quick
        except torch.OutOfMemoryError:
            raise
        except Exception:  # as above; what there is serves
            return quick


def is_convolutional(module: nn.Module) -> bool:
    """Whether convolutions do the work; a vision transformer has one, which cuts the image into patches."""
    return sum(isinstance(part, nn.Conv2d) for part in module.modules()) > 1


def folded(module: nn.Module, sample: Tensor) -> nn.Module:
    """The module itself, changed: each batch norm that alone reads a convolution's output is folded into that convolution."""
    names = {part: name for name, part in module.named_modules()}
    for conv, norm in _pairs(module, sample):
        _fold(conv, norm)
        module.set_submodule(names[norm], _what_is_left(norm))
    return module


def _off(quick: nn.Module, sample: Tensor, expected: Tensor) -> float:
    """How far embeddings (n, dim) lie from those expected, as a share of their length: the largest."""
    got = quick.to(memory_format=torch.channels_last)(sample.contiguous(memory_format=torch.channels_last))
    return float(((got - expected).norm(dim=1) / expected.norm(dim=1)).max())


def _pairs(module: nn.Module, sample: Tensor) -> list[tuple[nn.Conv2d, Any]]:
    """Convolutions and batch norms that run once in a pass, one on the very tensor, unchanged, that the other returned."""
    reads = _reads(module, sample)
    runs = [part for part, _ in reads]
    return [(conv, part) for conv, part in _only_readers(reads) if _is_norm(part) and runs.count(part) == 1]


def _rectifiers(module: nn.Module, sample: Tensor) -> list[tuple[nn.Conv2d, nn.ReLU]]:
    """Convolutions whose output a ReLU alone reads, and that ReLU."""
    reads = [(part, conv) for part, conv in _reads(module, sample) if type(part) is not nn.Identity]
    return [(conv, part) for conv, part in _only_readers(reads) if type(part) is nn.ReLU and can_rectify(conv)]


def _only_readers(reads: list[tuple[Any, Any]]) -> list[tuple[nn.Conv2d, Any]]:
    """Convolutions that run once in a pass, and what alone reads their output."""
    runs, read = [part for part, _ in reads], [conv for _, conv in reads if conv is not None]
    return [(conv, part) for part, conv in reads if conv is not None and runs.count(conv) == read.count(conv) == 1]


def _reads(module: nn.Module, sample: Tensor) -> list[tuple[Any, Any]]:
    """Every part that runs in a pass, and the convolution whose output, the very tensor, unchanged, it reads, or None."""
    outputs: list[tuple[Any, Tensor, int]] = []  # tensors are kept, so that none takes the place of another in memory
    reads: list[tuple[Any, Any]] = []

    def wrote(part: Any, _: Any, output: Tensor) -> None:
        outputs.append((part, output, output._version))

    def reading(part: Any, inputs: tuple[Any, ...]) -> None:
        found = [conv for conv, tensor, version in outputs if inputs and inputs[0] is tensor and tensor._version == version]
        reads.append((part, found[-1] if found else None))

    handles = []
    for part in module.modules():
        if type(part).__name__ in CONVOLUTIONS:
            handles.append(part.register_forward_hook(wrote))
        handles.append(part.register_forward_pre_hook(reading))
    try:
        module(sample)
    finally:
        for handle in handles:
            handle.remove()
    return reads


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
