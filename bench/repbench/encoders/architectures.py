"""Networks by name (timm, torchvision, our small ones): built without classification heads, and how to feed them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision import models

from repbench.encoders.features import PooledLayer, find_layer, select_features
from repbench.encoders.preprocess import ImagePreprocess, triple
from repbench.encoders.small import IMAGES, NOTES, SMALL
from repbench.encoders.surgery import remove_head, set_input_size
from repbench.errors import EncoderError, UnknownNameError, UsageError

FAMILIES = ("timm", "torchvision", "small")
TRUNKS = ("norm", "layer4", "trunk_output", "encoder", "features", "blocks", "Mixed_7c", "inception5b", "conv5", "layers")


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A network without its classification head, and what its makers say about it."""

    architecture: str  # "timm:resnet18"; no weights are named here
    network: nn.Module  # images (n, 3, size, size) -> the pooled feature before the head
    preprocess: ImagePreprocess
    notes: Mapping[str, str] = field(default_factory=dict)


def check_architecture(architecture: str) -> None:
    """Raise UsageError or UnknownNameError unless this is the name of a network that `build` knows."""
    family, colon, name = architecture.partition(":")
    if not colon or not name:
        raise UsageError(f"arch={architecture} names no network; write arch=timm:resnet50 or arch=torchvision:resnet50.")
    if family not in FAMILIES:
        raise UnknownNameError("family of architectures", family, FAMILIES)
    if family == "timm":
        check_timm(name, pretrained=False)
    elif family == "small":
        check_small(name)
    else:
        check_torchvision(name, None)


def check_timm(name: str, *, pretrained: bool) -> None:
    """Raise UnknownNameError unless timm knows `NAME` or `NAME.TAG`, EncoderError when it has no weights for it."""
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        raise UnknownNameError("timm architecture", base, timm.list_models(), "timm.list_models() shows all.")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        raise UnknownNameError(f"weights of timm's {base}", tag, tags)
    if pretrained and not tags and not timm.models.is_model_pretrained(base):
        raise EncoderError(f"timm has no weights for {base!r}; give weights=FILE or pretrained=false.")


def check_torchvision(name: str, weights: str | None) -> None:
    """Raise UnknownNameError unless torchvision has this classifier and (unless None) these weights of it."""
    known = models.list_models(module=models)
    if name not in known:
        raise UnknownNameError("torchvision architecture", name, known)
    choices = models.get_model_weights(name)
    if weights is not None and weights not in choices.__members__:
        raise UnknownNameError(f"weights of torchvision's {name}", weights, [*choices.__members__, "random"])


def build(architecture: str, *, seed: int) -> Blueprint:
    """The randomly initialised network that `timm:NAME`, `torchvision:NAME` or `small:NAME` names. Raises UnknownNameError."""
    check_architecture(architecture)
    family, _, name = architecture.partition(":")
    if family == "small":
        return build_small(name, seed=seed)
    return build_timm(name, pretrained=False, seed=seed) if family == "timm" else build_torchvision(name, None, seed=seed)


def build_timm(name: str, *, pretrained: bool, seed: int = 0) -> Blueprint:
    """A network of timm, `NAME` or `NAME.TAG`; its weights from the hub or its cache when `pretrained`."""
    check_timm(name, pretrained=pretrained)
    base = name.partition(".")[0]
    with seeded(seed):
        network: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    preprocess = _timm_preprocess(timm.data.resolve_model_data_config(network))  # type: ignore[no-untyped-call, attr-defined]
    facts: Mapping[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    notes = {"package": f"timm {timm.__version__}"}
    if pretrained:
        notes |= {"weights": str(facts.get("hf_hub_id") or facts.get("url")), "licence": str(facts.get("license", "unknown"))}
    return Blueprint(architecture=f"timm:{base}", network=network, preprocess=preprocess, notes=notes)


def build_torchvision(name: str, weights: str | None, *, seed: int = 0) -> Blueprint:
    """A classifier of torchvision with the named weights ("DEFAULT", "IMAGENET1K_V2"), or random ones (None)."""
    check_torchvision(name, weights)
    choices = models.get_model_weights(name)
    chosen = None if weights is None else choices[weights]
    extra = {"init_weights": True} if chosen is None and name in ("googlenet", "inception_v3") else {}
    with seeded(seed):
        network = remove_head(models.get_model(name, weights=chosen, **extra))
    notes = {"package": f"torchvision {torchvision.__version__}"}
    if chosen is not None:
        notes["weights"] = f"{chosen} {chosen.url}"
    preprocess = _torchvision_preprocess((chosen or choices["DEFAULT"]).transforms())
    return Blueprint(architecture=f"torchvision:{name}", network=network, preprocess=preprocess, notes=notes)


def check_small(name: str) -> None:
    """Raise UnknownNameError unless this is one of repbench's own networks."""
    if name not in SMALL:
        raise UnknownNameError("small architecture", name, SMALL)


def build_small(name: str, *, seed: int) -> Blueprint:
    """One of repbench's own networks for small images, randomly initialised. Raises UnknownNameError."""
    check_small(name)
    with seeded(seed):
        network = SMALL[name]()
    return Blueprint(architecture=f"small:{name}", network=network, preprocess=IMAGES, notes=NOTES)


def embedding_module(blueprint: Blueprint, layer: str | None, pool: str | None, size: int) -> tuple[nn.Module, str]:
    """The module that gives the wanted feature, and the choice in words (see `features.select_features`)."""
    network = blueprint.network
    set_input_size(network, size)
    own = _own_pooling(network)
    if layer is None and (pool is None or pool == own):
        return network, f"last feature before the head, the network's own pooling{f' ({own})' if own else ''}"
    if pool == "map":
        raise EncoderError(f"pool=map: {blueprint.architecture} has no attention pooling of its own.")
    if layer is None and callable(getattr(network, "forward_features", None)):
        prefix = int(getattr(network, "num_prefix_tokens", 0))
        module = PooledLayer(Unpooled(network), None, select_features(network, pool=pool).pool, prefix)
        return module, f"output of forward_features, pooling {pool}"
    if layer is None:
        layer = _trunk(network, blueprint.architecture)
    prefix_of = 1 if isinstance(network, models.VisionTransformer) else None
    module = select_features(network, layer=layer, pool=pool, prefix_tokens=prefix_of)
    return module, module.words


class Unpooled(nn.Module):
    """A network of timm up to its unpooled last feature."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The last map or token sequence."""
        output: Tensor = self.network.forward_features(images)  # type: ignore[operator]
        return output


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block in which torch's CPU generator is seeded; its state is restored afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _timm_preprocess(config: Mapping[str, Any]) -> ImagePreprocess:
    height, width = config["input_size"][1:]
    mode = {"center": "shortest", "squash": "squash"}.get(config["crop_mode"])
    if mode is None or height != width or config["input_size"][0] != 3:
        raise EncoderError(f"images are prepared for this network as {dict(config)}, which repbench cannot do.")
    return ImagePreprocess(
        size=height,
        resize=math.floor(height / config["crop_pct"]),
        interpolation=config["interpolation"],
        mode=mode,
        mean=triple(config["mean"]),
        std=triple(config["std"]),
    )


def _torchvision_preprocess(transforms: Any) -> ImagePreprocess:
    return ImagePreprocess(
        size=transforms.crop_size[0],
        resize=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
        mean=triple(transforms.mean),
        std=triple(transforms.std),
    )


def _own_pooling(network: nn.Module) -> str:
    """How timm's network pools by itself, in the words of `pool=`; "" where it does not say."""
    pooling = getattr(network, "global_pool", None) or getattr(getattr(network, "head", None), "global_pool", None)
    kind = pooling if isinstance(pooling, str) else getattr(pooling, "pool_type", "")
    return {"token": "cls"}.get(kind, kind)


def _trunk(network: nn.Module, architecture: str) -> str:
    for name in TRUNKS:
        if hasattr(network, name) and not isinstance(network, models.DenseNet):  # DenseNet's last ReLU is no layer
            find_layer(network, name)
            return name
    raise UsageError(f"pool= on {architecture} needs the layer too: layer=NAME,pool=avg.")
