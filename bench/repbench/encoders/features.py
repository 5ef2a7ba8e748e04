"""Which vector of a network is the embedding: a layer by its name, and how its map or tokens become one vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from repbench.errors import EncoderError, UnknownNameError

OPTIONS = ("layer", "pool")  # what `select_features` understands
POOLS = ("avg", "cls", "max", "flatten", "none")


def select_features(
    network: nn.Module, *, layer: str | None = None, pool: str | None = None, prefix_tokens: int | None = None
) -> PooledLayer:
    """A module that returns the pooled output (n, dim) of one layer of a network, or of the network itself (no `layer`).

    `layer` is a name of `network.named_modules()`. Without `pool`, maps are averaged over space, token sequences give their
    class token where there is one and the mean of the others where not. `prefix_tokens` counts the class and register
    tokens; None asks the network. Raises UnknownNameError with the nearest names.
    """
    if pool is not None and pool not in POOLS:
        raise UnknownNameError("pooling", pool, POOLS)
    if layer is not None:
        find_layer(network, layer)
    return PooledLayer(network, layer, pool, count_prefix_tokens(network) if prefix_tokens is None else prefix_tokens)


def find_layer(network: nn.Module, layer: str) -> nn.Module:
    """The sub-module of that name. Raises UnknownNameError with the nearest names."""
    layers: dict[str, nn.Module] = dict(network.named_modules())
    layers.pop("")
    if layer not in layers:
        raise UnknownNameError("layer", layer, layers, "Layers are named as in named_modules().")
    return layers[layer]


def count_prefix_tokens(network: nn.Module) -> int:
    """How many class and register tokens stand before the patch tokens of a transformer; 0 for other networks."""
    counted = getattr(network, "num_prefix_tokens", None)  # timm
    if isinstance(counted, int):
        return counted
    names = ("class_token", "cls_token", "class_embedding")  # torchvision, the DINO repositories, open_clip
    return 1 if any(isinstance(getattr(network, name, None), Tensor) for name in names) else 0


class PooledLayer(nn.Module):
    """A network, stopped at one layer, whose output there is pooled to (n, dim).

    A layer that is called several times in one forward (a shared activation) gives its first output.
    """

    def __init__(self, network: nn.Module, layer: str | None, pool: str | None, prefix_tokens: int) -> None:
        super().__init__()
        self.network = network
        self.layer = layer
        self.pool = pool
        self.prefix_tokens = prefix_tokens

    @property
    def words(self) -> str:
        """The choice in words, for the record and the fingerprint."""
        place = f"layer {self.layer}" if self.layer else "last feature before the head"
        return f"{place}, pooling {self.pool or 'class token, else average'}"

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        output = self.network(inputs) if self.layer is None else self._run_to(self.layer, inputs)
        return pool_output(output, self.pool, self.prefix_tokens)

    def _run_to(self, layer: str, inputs: Tensor) -> Any:
        def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
            raise _Reached(output)

        handle = self.network.get_submodule(layer).register_forward_hook(stop)
        try:
            self.network(inputs)
        except _Reached as reached:
            return reached.output
        finally:
            handle.remove()
        raise EncoderError(f"the layer {layer!r} is never run when the network embeds; choose another layer.")


def pool_output(output: Any, pool: str | None = None, prefix_tokens: int = 0) -> Tensor:
    """One vector per item from what a layer returns: (n, dim), a map (n, c, h, w) or (n, h, w, c), or tokens (n, t, dim)."""
    tensor = first_tensor(output)
    if tensor.ndim == 2:
        if pool not in (None, "none", "flatten"):
            raise EncoderError(f"pool={pool} has nothing to pool: that output is one vector per item already. Leave pool= out.")
        return tensor
    if pool == "flatten":
        return tensor.flatten(1)
    if tensor.ndim == 4:
        return _pool_map(tensor, pool)
    if tensor.ndim == 3:
        return _pool_tokens(tensor, pool, prefix_tokens)
    raise EncoderError(f"an output of shape {tuple(tensor.shape)} cannot be pooled; use pool=flatten or another layer.")


def first_tensor(output: Any) -> Tensor:
    """The tensor in what a layer returns: itself, the first of a tuple, or the first value of a mapping."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    while isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise EncoderError(f"that layer returns a {type(output).__name__} and no tensor; choose another layer.")
    return output


def _pool_map(maps: Tensor, pool: str | None) -> Tensor:
    if pool == "cls":
        raise EncoderError("pool=cls needs a transformer's class token; this layer gives a map. Use pool=avg or pool=max.")
    if pool == "none":
        return maps  # `make_tower` accepts it when it is 1 by 1
    if maps.shape[1] == maps.shape[2] != maps.shape[3]:  # channels last, as in Swin; inputs are square
        maps = maps.movedim(3, 1)
    return maps.amax((2, 3)) if pool == "max" else maps.mean((2, 3))


def _pool_tokens(tokens: Tensor, pool: str | None, prefix_tokens: int) -> Tensor:
    if pool == "none":
        return tokens
    if pool == "cls" and prefix_tokens == 0:
        raise EncoderError("pool=cls: this network has no class token. Use pool=avg.")
    if pool == "cls" or (pool is None and prefix_tokens > 0):
        return tokens[:, 0]
    patches = tokens[:, prefix_tokens:]
    return torch.amax(patches, 1) if pool == "max" else patches.mean(1)


class _Reached(Exception):
    """Carries the output of the wanted layer out of a forward; never leaves this module."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output
