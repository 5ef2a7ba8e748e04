"""What reads what in one forward pass of a network: seen from outside, so that no source code need be understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from repbench.embeddings.fused import ADDITIONS

CONVOLUTIONS = ("Conv2d", "Conv2dSame")  # by name: a subclass that changes its weights in each pass cannot be folded
FRESH = (*ADDITIONS, "conv2d", "relu", "batch_norm", "max_pool2d", "avg_pool2d")  # they write into memory of their own
LOOKS = ("__get__", "dim", "ndimension", "size", "numel", "stride", "is_contiguous", "is_floating_point")  # read no numbers


@dataclass(frozen=True)
class Read:
    """A part that ran, and the convolution whose output, the very tensor, unchanged, it was given, or None."""

    part: nn.Module
    conv: Any


@dataclass(eq=False)
class _Output:
    """What a convolution was given and what it wrote, as they were then, and how many functions read that since."""

    conv: Any
    given: Tensor
    given_version: int
    out: Tensor
    version: int
    reads: int = 0


@dataclass(eq=False)
class Sum:
    """A convolution whose output is added to a tensor of equal shape, and who reads the sum and that tensor afterwards."""

    conv: Any
    other: Tensor
    out: Tensor
    version: int
    relu: nn.ReLU | None = None
    reads: int = 0
    other_is_read: bool = False


class Watched(TorchFunctionMode):
    """All parts of one pass in the order in which they ran, and the sums that convolutions are in.

    Tensors of the pass are kept, so that none takes the place of another in memory.
    """

    def __init__(self, module: nn.Module, sample: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reads: list[Read] = []
        self.sums: list[Sum] = []
        self._outputs: list[_Output] = []
        self._fresh: list[Tensor] = []
        self._rectified: list[tuple[nn.ReLU, Tensor, int]] = []
        handles = []
        for part in module.modules():
            if type(part).__name__ in CONVOLUTIONS:
                handles.append(part.register_forward_hook(self._wrote))
            if type(part) is nn.ReLU:
                handles.append(part.register_forward_hook(self._rectifies))
            handles.append(part.register_forward_pre_hook(self._reading))
        try:
            with torch.no_grad(), self:
                module(sample)
        finally:
            for handle in handles:
                handle.remove()

    def only_readers(self, of: type | None = None) -> list[tuple[nn.Conv2d, Any]]:
        """Convolutions that run once in a pass, and what alone reads their output; parts of type `of` count as no reader."""
        beside = [one.conv for one in self._outputs if one.reads > 1]  # by a function of the network itself
        reads = [one for one in self.reads if of is None or type(one.part) is not of]
        runs, read = [one.part for one in reads], [one.conv for one in reads if one.conv is not None]
        once = [one for one in reads if one.conv is not None and runs.count(one.conv) == read.count(one.conv) == 1]
        return [(one.conv, one.part) for one in once if one.conv not in beside]

    def rectifier(self, of: Sum) -> nn.ReLU | None:
        """The ReLU that alone reads a sum."""
        return of.relu if of.relu is not None and of.reads == 1 and self.stays_rectified(of.relu) else None

    def stays_rectified(self, relu: nn.ReLU) -> bool:
        """Whether nothing is written over what a ReLU gave: where something is, it is rectified no longer."""
        return all(output._version == version for part, output, version in self._rectified if part is relu)

    def runs(self, part: nn.Module) -> int:
        """How often a part ran."""
        return sum(one.part is part for one in self.reads)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        name = getattr(function, "__name__", "")
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        if name not in LOOKS:
            self._read_by_function(tensors)
        term = self._term(args) if name in ADDITIONS and not kwargs else None
        out = function(*args, **(kwargs or {}))
        if term is not None:
            conv, other = term
            self.sums.append(Sum(conv, other, out, out._version))
        if name in FRESH and isinstance(out, Tensor) and not out._is_view() and not self._has(tensors, out):
            self._fresh.append(out)
        return out

    def _term(self, args: Any) -> tuple[Any, Tensor] | None:
        """The convolution whose output is the one term of a sum, and the other term, where it can be written over.

        The convolution will run as late as the sum, so that nothing may have read its output before, its input must still be
        what it was, and is no part of the other term.
        """
        if len(args) != 2 or not all(isinstance(one, Tensor) for one in args) or args[0].shape != args[1].shape:
            return None
        for term, other in (args, args[::-1]):
            wrote = self._written(term)
            if wrote is None or wrote.reads > 1 or wrote.given._version != wrote.given_version:
                continue
            if self._has(self._fresh, other) and not any(_share(other, one) for one in (wrote.given, term)):
                return wrote.conv, other
        return None

    def _read_by_function(self, tensors: list[Tensor]) -> None:
        for one in self.sums:
            one.other_is_read |= not _share(one.other, one.out) and any(_share(tensor, one.other) for tensor in tensors)
            one.reads += self._has(tensors, one.out) and one.out._version == one.version
        for wrote in self._outputs:
            wrote.reads += self._has(tensors, wrote.out) and wrote.out._version == wrote.version

    @staticmethod
    def _has(tensors: list[Tensor], tensor: Tensor) -> bool:
        return any(one is tensor for one in tensors)

    def _written(self, tensor: Any) -> _Output | None:
        found = [one for one in self._outputs if one.out is tensor and tensor._version == one.version]
        return found[-1] if found else None

    def _wrote(self, part: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        self._outputs.append(_Output(part, inputs[0], inputs[0]._version, output, output._version))

    def _rectifies(self, part: Any, _: Any, output: Tensor) -> None:
        self._rectified.append((part, output, output._version))

    def _reading(self, part: Any, inputs: tuple[Any, ...]) -> None:
        given = inputs[0] if inputs else None
        wrote = self._written(given)
        self.reads.append(Read(part, None if wrote is None else wrote.conv))
        for one in self.sums:
            if type(part) is nn.ReLU and given is one.out and one.out._version == one.version:
                one.relu = part


def _share(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in one piece of memory."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
