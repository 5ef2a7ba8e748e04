"""Encoders from torchvision: `torchvision:resnet50/IMAGENET1K_V2`, the classification head removed."""

from __future__ import annotations

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import build_torchvision
from repbench.encoders.images import image_encoder, unreachable
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec
from repbench.errors import RepbenchError

HELP = "torchvision:NAME[/WEIGHTS]   networks of torchvision, e.g. torchvision:resnet50/IMAGENET1K_V2, or /random"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS)


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a classifier of torchvision. Raises UnknownNameError, and EncoderError when weights cannot be had."""
    spec.only(*OPTIONS)
    name, _, weights = spec.target.partition("/")
    try:
        blueprint = build_torchvision(name, None if weights == "random" else weights or "DEFAULT", seed=options.seed)
    except RepbenchError:
        raise
    except Exception as error:
        raise unreachable(spec, error, f"torchvision:{name}/random (random weights)") from error
    return image_encoder(spec, blueprint)
