"""Changes to networks that are built: the classification head off, a stem for small images on."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import nn

from repbench.errors import EncoderError, UnknownNameError

HEADS = ("fc", "classifier", "head", "heads")  # what torchvision's networks call it
STEMS = ("cifar", "imagenet")


def remove_head(network: nn.Module) -> nn.Module:
    """The classifier with its last linear layer replaced by the identity: it returns the feature before that layer."""
    for name in HEADS:
        head = getattr(network, name, None)
        if isinstance(head, nn.Linear):
            setattr(network, name, nn.Identity())
            return network
        if isinstance(head, nn.Sequential):
            network.set_submodule(name, _without_last_layer(head))
            return network
    raise EncoderError(f"no classification head found in {type(network).__name__}; choose a layer with layer=NAME.")


def fit_cifar_stem(network: nn.Module) -> nn.Module:
    """A ResNet whose first convolution is 3 by 3 at full resolution, and which has no max-pooling (SimCLR, appendix B.9)."""
    conv = getattr(network, "conv1", None)
    if not isinstance(conv, nn.Conv2d) or not hasattr(network, "maxpool"):
        raise EncoderError(f"stem=cifar changes a ResNet; {type(network).__name__} is none.")
    network.set_submodule("conv1", nn.Conv2d(3, conv.out_channels, 3, stride=1, padding=1, bias=conv.bias is not None))
    network.set_submodule("maxpool", nn.Identity())
    return network


def wants_cifar_stem(network: nn.Module, shape: tuple[int, ...] | None) -> bool:
    """Whether a first convolution of this shape in a file says that the ResNet was built for small images."""
    conv = getattr(network, "conv1", None)
    is_resnet = isinstance(conv, nn.Conv2d) and hasattr(network, "maxpool") and hasattr(network, "layer1")
    return is_resnet and shape is not None and shape[1:] == (3, 3, 3) and conv is not None and conv.kernel_size == (7, 7)


def check_stem(stem: str | None) -> None:
    """Raise UnknownNameError for a stem that is not in `STEMS`."""
    if stem is not None and stem not in STEMS:
        raise UnknownNameError("stem", stem, STEMS)


def set_input_size(network: nn.Module, size: int) -> None:
    """Tell a network of fixed input size (timm's transformers) about another one; others need no telling."""
    resize = getattr(network, "set_input_size", None)
    if callable(resize):
        with suppress(TypeError), torch.no_grad():
            resize(img_size=(size, size))


def _without_last_layer(head: nn.Sequential) -> nn.Sequential:
    layers = dict(head.named_children())
    linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
    if linear:
        layers[linear[-1]] = nn.Identity()
        kept = nn.Sequential()
        for name, layer in layers.items():
            kept.add_module(name, layer)
        return kept
    if any(isinstance(layer, nn.Conv2d) for layer in layers.values()):  # SqueezeNet classifies by a convolution
        return nn.Sequential(nn.AdaptiveAvgPool2d(1))
    raise EncoderError(f"the head {head!r} holds no linear layer; choose a layer with layer=NAME.")
