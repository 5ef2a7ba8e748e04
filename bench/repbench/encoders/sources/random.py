"""Untrained networks: what an architecture is worth before it has seen anything."""

from __future__ import annotations

from dataclasses import replace

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import FAMILIES, build
from repbench.encoders.images import image_encoder
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec

HELP = "random:ARCH[,layer=L][,pool=P][,size=PX]   an untrained network, e.g. random:resnet18 or random:torchvision:resnet18"


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The network with random weights of the run's seed; a name without a family is timm's. Raises UnknownNameError.

    In evaluation mode its batch norms hold the statistics of initialisation (mean 0, variance 1): nothing is calibrated.
    """
    spec.only(*features.OPTIONS, *preprocess.OPTIONS)
    family = spec.target.partition(":")[0]
    architecture = spec.target if family in FAMILIES else f"timm:{spec.target}"
    blueprint = build(architecture, seed=options.seed)
    encoder = image_encoder(spec, blueprint)
    return replace(encoder, kind="control", notes={**encoder.notes, "weights": f"random, seed {options.seed}"})
