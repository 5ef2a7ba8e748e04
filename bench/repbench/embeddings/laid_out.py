"""Linear layers and attention whose weights are laid out once in the order in which oneDNN multiplies: float32 on a CPU.

Where torch multiplies float32 by another library, as it does on processors of AMD with AVX-512, products take up to twice as
long otherwise. The networks' own weights stay as they are, and are shared; the others take as much memory again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from repbench.embeddings.same import Samples, changed, copy_of, is_as_made
from repbench.measure.fixed_matrix import FixedMatrix, can_lay_out

MOST = 5 * 10**8  # weights that are laid out anew: 2 GB


class LaidOutLinear(nn.Linear):
    """A linear layer as it was, of which float32 inputs on a CPU take the matrix that is laid out."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias, self.training = linear.weight, linear.bias, linear.training
        self._matrix = FixedMatrix(linear.weight.detach())

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return self._matrix.times(input, self.bias) if _fits(input) else super().forward(input)


class LaidOutAttention(nn.Module):
    """Self-attention of nn.MultiheadAttention without its weights; whatever else is asked of it goes to the original."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.attention, self.training = attention, attention.training
        self._into, self._out = FixedMatrix(attention.in_proj_weight.detach()), FixedMatrix(attention.out_proj.weight.detach())

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *others: Any, **options: Any) -> tuple[Tensor, Tensor | None]:
        """Tokens (n, tokens, width), or (tokens, n, width) where the original is not `batch_first`."""
        mask, asked = options.get("attn_mask"), {name for name, one in options.items() if one is not None and one is not False}
        plain = (
            not others and options.get("need_weights") is False and asked <= {"attn_mask", "is_causal", "average_attn_weights"}
        )
        length = query.shape[1 if self.attention.batch_first else 0]
        known = mask is None or mask.shape == (length, length)
        if not (plain and known and query is key is value and query.ndim == 3 and _fits(query)):
            found: tuple[Tensor, Tensor | None] = self.attention(query, key, value, *others, **options)
            return found
        first = self.attention.batch_first
        out = self._attend(query if first else query.transpose(0, 1), mask)
        return (out if first else out.transpose(0, 1)), None

    def _attend(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        attention = self.attention
        n, length, width = tokens.shape
        heads = attention.num_heads
        drawn = self._into.times(tokens, attention.in_proj_bias).view(n, length, 3, heads, width // heads)
        query, key, value = drawn.permute(2, 0, 3, 1, 4)
        if mask is not None and mask.dtype == torch.bool:
            mask = ~mask  # True hides here, and shows there
        heard = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self._out.times(heard.transpose(1, 2).reshape(n, length, width), attention.out_proj.bias)


def laid_out(module: nn.Module, sample: Tensor) -> tuple[nn.Module, str]:
    """A copy that shares the weights and gives the same embeddings, or the module itself, with a note if its copy failed.

    `sample` are inputs (n, ...).
    """
    if not can_lay_out() or not any(_is_known(part) for part in module.modules()):
        return module, ""
    try:
        with _watched(module) as sizes:
            samples = Samples(module, sample)
    except Exception as error:  # where it is not the second input that it cannot take, it shows at the first pass
        return module, f"plain linear layers: the network failed on two inputs more ({type(error).__name__})"
    if not sizes or sum(sizes.values()) > MOST:
        return module, ""
    quick, note = changed(lambda: _replaced(copy_of(module, shares_weights=True), sizes), module, lambda: samples)
    return quick, f"plain linear layers: the network with weights laid out {note}" if note else ""


def _replaced(module: nn.Module, places: Iterable[str]) -> nn.Module:
    """The module itself, changed at these places."""
    for name in places:
        part: Any = module.get_submodule(name)
        module.set_submodule(name, LaidOutLinear(part) if type(part) is nn.Linear else LaidOutAttention(part))
    return module


@contextlib.contextmanager
def _watched(module: nn.Module) -> Iterator[dict[str, int]]:
    """Of what takes part in passes meanwhile and can be laid out, the name and how many weights it has."""
    found: dict[str, int] = {}
    handles = []
    for name, part in module.named_modules():
        if _is_known(part) and is_as_made(part):
            numbers = sum(one.numel() for one in part.parameters())
            handles.append(part.register_forward_pre_hook(lambda *_, which=name, size=numbers: found.update({which: size})))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _is_known(part: Any) -> bool:
    """Whether it is a linear layer, or attention with one matrix for queries, keys and values and nothing added to them."""
    if type(part) is not nn.MultiheadAttention:
        return type(part) is nn.Linear
    return part.in_proj_weight is not None and part.bias_k is None and not part.add_zero_attn and not part.training


def _fits(rows: Tensor) -> bool:
    return rows.device.type == "cpu" and rows.dtype == torch.float32
