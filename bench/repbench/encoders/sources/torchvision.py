"""Encoders from torchvision: `torchvision:resnet50/IMAGENET1K_V2`, the classification head removed."""

from __future__ import annotations

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import build_torchvision, check_torchvision
from repbench.encoders.images import check_image_options, image_encoder, unreachable
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec
from repbench.errors import RepbenchError

HELP = "torchvision:NAME[/WEIGHTS]   networks of torchvision, e.g. torchvision:resnet50/IMAGENET1K_V2, or /random"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS)


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad names and values."""
    spec.only(*OPTIONS)
    check_image_options(spec)
    check_torchvision(*_parts(spec))


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a classifier of torchvision. Raises EncoderError when weights cannot be had."""
    name, weights = _parts(spec)
    try:
        blueprint = build_torchvision(name, weights, seed=options.seed)
    except RepbenchError:
        raise
    except Exception as error:
        raise unreachable(spec, error, f"torchvision:{name}/random (random weights)") from error
    return image_encoder(spec, blueprint)


def _parts(spec: Spec) -> tuple[str, str | None]:
    """The network, and its weights: the newest where none are named, None for random ones."""
    name, _, weights = spec.target.partition("/")
    return name, None if weights == "random" else weights or "DEFAULT"
