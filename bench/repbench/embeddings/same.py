"""Copies of a network that are to give the same embeddings, and whether they do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

SAME = 1e-3  # largest norm of a difference, as a share of the embedding's: its cosine is then above 0.9999995


def copy_of(module: nn.Module, *, shares_weights: bool = False) -> nn.Module:
    """A copy in the modes (training or not) of the original, of which some networks lose theirs; buffers are its own.

    Raises TypeError where a part hands out itself as its copy, and whatever copying raises.
    """
    copied: nn.Module = copy.deepcopy(module, {id(one): one for one in module.parameters()} if shares_weights else {})
    originals = set(module.modules())
    if any(part in originals for part in copied.modules()):
        raise TypeError("a part of the network is its own copy")
    modes = {name: part.training for name, part in module.named_modules()}
    for name, part in copied.named_modules():
        part.training = modes.get(name, part.training)
    return copied


def is_as_made(part: nn.Module) -> bool:
    """Whether no hook and no other `forward` was put on a part: what replaces it would not know of them."""
    return not (part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part))


class Samples:
    """Inputs and the embeddings that a network gives of them: a sample, and a batch of one more that are other numbers.

    So an embedding that was kept from the sample, or that hangs on how many there are, shows; not what a network keeps of the
    first input that it ever sees, where it was copied after that. Networks are given copies, as some write over what they are
    given, and their embeddings are copied, as some write the next ones over them.
    """

    def __init__(self, module: nn.Module, sample: Tensor) -> None:
        others = sample.flip(-1) * 1.5 if sample.is_floating_point() else sample.flip(0)
        # one more than a sample of one could be more than memory holds
        self._inputs = (sample, torch.cat([others, sample[:1]]) if len(sample) > 1 else others)
        with torch.no_grad():
            self._expected = [module(one.clone()).clone() for one in self._inputs]

    @property
    def sample(self) -> Tensor:
        """The sample, to be written over at will."""
        return self._inputs[0].clone()

    def off(self, module: nn.Module, *, channels_last: bool = False) -> float:
        """How far a network's embeddings (n, dim) lie from those, as a share of their length: the largest, or NaN.

        Raises ValueError for another shape, and whatever the network raises.
        """
        shares: list[float] = []
        for inputs, expected in zip(self._inputs, self._expected, strict=True):
            given = inputs.clone(memory_format=torch.channels_last if channels_last else torch.preserve_format)
            with torch.no_grad():
                got = module(given)
            if got.shape != expected.shape:
                raise ValueError(f"embeddings of shape {tuple(got.shape)} in place of {tuple(expected.shape)}")
            shares.append(float(((got - expected).norm(dim=1) / expected.norm(dim=1)).max()))
        return max(shares) if all(one == one for one in shares) else float("nan")


def changed(
    change: Callable[[], nn.Module], module: nn.Module, samples: Callable[[], Samples], *, channels_last: bool = False
) -> tuple[nn.Module, str]:
    """The changed copy of a module that is made, if it keeps the embeddings; or the module itself, with why not, in words."""
    try:
        copied = change()
        if channels_last:
            copied = copied.to(memory_format=torch.channels_last)
        share = samples().off(copied, channels_last=channels_last)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a network that cannot be copied or changed may raise anything
        return module, f"failed ({type(error).__name__})"
    if not share <= SAME:  # NaN counts as another number
        return module, f"is {share:.1e} off"
    return copied, ""
