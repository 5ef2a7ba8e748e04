"""What makes two encoders the same, and the one way in which a module becomes a tower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from repbench.digests import digest_bytes, digest_text
from repbench.encoder import Tower
from repbench.errors import EncoderError, RepbenchError

PROBED = 2  # dummy items in the one forward that measures the width; two, so that a lost batch axis shows


def fingerprint_module(module: nn.Module, *words: str) -> str:
    """Digest of all weights and buffers of a module, and of `words` (architecture, layer, pooling, preprocessing).

    Names, types, shapes and raw bytes of the state dict count; the device does not. One tensor is held at a time.
    """
    state = module.state_dict()
    lines = (f"{name} {_describe(state[name])}" for name in sorted(state))
    return digest_text("\n".join(words), *lines)


def make_tower(
    module: nn.Module,
    prepare: Callable[[Any], Tensor],
    *,
    preprocessing: str,
    features: str,
    architecture: str = "",
    example: Any = None,
) -> Tower:
    """The tower of a module that maps a batch of prepared inputs to (n, dim) or (n, dim, 1, 1) embeddings.

    The module is put in evaluation mode, on the CPU, and requires no gradient. `example` is one raw item of the modality
    (default: an image); the width is measured with it. Raises EncoderError when what comes out is no embedding.
    """
    module = module.cpu().eval().requires_grad_(False)
    output = _probe(module, prepare(dummy_image() if example is None else example))
    fingerprint = fingerprint_module(module, architecture, features, preprocessing)
    if output.ndim == 4:
        module = Flat(module).eval()
    return Tower(
        prepare=prepare,
        module=module,
        dim=output.shape[1],
        fingerprint=fingerprint,
        preprocessing=preprocessing,
        features=features,
    )


def dummy_image(size: int = 256) -> Image.Image:
    """An RGB image that is not constant, for measuring shapes."""
    ramp = Image.linear_gradient("L").resize((size, size))
    return Image.merge("RGB", (ramp, ramp.rotate(90), ramp.rotate(180)))


class Flat(nn.Module):
    """A module whose (n, dim, 1, 1) output loses its two empty axes."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        output: Tensor = self.module(inputs)
        return output.flatten(1)


def _describe(value: Any) -> str:
    if not isinstance(value, Tensor):  # the extra state of a module
        return repr(value)
    if value.is_meta:
        raise EncoderError("the weights were never loaded: a tensor of the network is on the device 'meta'.")
    flat = value.detach().cpu().contiguous().reshape(-1)
    raw = flat.view(torch.uint8) if flat.numel() else flat.to(torch.uint8)
    return f"{value.dtype} {tuple(value.shape)} {digest_bytes(raw.numpy().data)}"


def _one_by_one_where_memory_ends(module: nn.Module, batch: Tensor) -> Tensor:
    """What a network gives for a batch; a run halves its passes too where memory does not suffice."""
    try:
        found: Tensor = module(batch)
    except torch.OutOfMemoryError:
        found = torch.cat([module(one[None]) for one in batch])
    return found


def _probe(module: nn.Module, item: Tensor) -> Tensor:
    batch = torch.stack([item] * PROBED)
    try:
        with torch.no_grad():
            output = _one_by_one_where_memory_ends(module, batch)
    except RepbenchError:
        raise
    except Exception as error:
        raise EncoderError(
            f"the network does not accept a batch of shape {tuple(batch.shape)} ({type(error).__name__}: {error}). "
            "If it wants another input size, give size=PIXELS."
        ) from error
    if not isinstance(output, Tensor):
        raise EncoderError(f"the network returns a {type(output).__name__}; an encoder returns one tensor (n, dim).")
    shape = tuple(output.shape)
    flat = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    if not flat or shape[0] != PROBED or not output.is_floating_point():
        raise EncoderError(
            f"the network maps {PROBED} items to {output.dtype} of shape {shape}; an encoder returns floating-point (n, dim), "
            f"here ({PROBED}, dim). Choose a layer with layer=NAME or a pooling with pool=avg, or return the pooled feature."
        )
    return output
