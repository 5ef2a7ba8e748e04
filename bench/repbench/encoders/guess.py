"""Which architecture a file of weights looks like, from the shapes in it: for error messages that say what to type."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_BLOCK = re.compile(r"(?:^|\.)layer([1-4])\.(\d+)\.(\w+)\.")
_NUMBERED = re.compile(r"(?:^|\.)([4-7])\.(\d+)\.(conv\d)\.")
_LAYER = re.compile(r"(?:^|\.)blocks\.(?:\d+\.)?(\d+)\.")
_RESNETS: dict[tuple[tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}
_VITS = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1280: "huge"}


def guess_architectures(state: Mapping[str, Tensor]) -> list[str]:
    """Specs of architectures that the names and shapes of a state dict fit; empty when they fit none that is known here."""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    return [guess for guess in (_resnet(shapes), _vit(shapes)) if guess]


def _resnet(shapes: Mapping[str, tuple[int, ...]]) -> str:
    blocks = dict.fromkeys((1, 2, 3, 4), -1)
    second: tuple[int, ...] = ()
    deep = False
    for name, shape in shapes.items():
        found = _BLOCK.search(name) or _NUMBERED.search(name)
        if not found:
            continue
        stage = int(found[1]) if "layer" in found[0] else int(found[1]) - 3
        blocks[stage] = max(blocks[stage], int(found[2]))
        deep = deep or found[3] == "conv3"
        if stage == 1 and found[3] == "conv2" and len(shape) == 4:
            second = shape
    name = _RESNETS.get((tuple(count + 1 for count in blocks.values()), deep), "")
    if name in ("resnet50", "resnet101") and second[:2] == (128, 128):
        name = f"wide_{name}_2"
    elif name == "resnet50" and second[:2] == (128, 4):
        name = "resnext50_32x4d"
    return f"timm:{name}" if name else ""


def _vit(shapes: Mapping[str, tuple[int, ...]]) -> str:
    patch = next((shape for name, shape in shapes.items() if name.endswith("patch_embed.proj.weight")), ())
    if len(patch) != 4 or patch[0] not in _VITS or not any(_LAYER.search(name) for name in shapes):
        return ""
    size = {14: "dinov2"}.get(patch[2], "224")
    joint = f"_patch14_{size}" if patch[2] == 14 else f"_patch{patch[2]}_{size}"
    return f"timm:vit_{_VITS[patch[0]]}{joint}"
