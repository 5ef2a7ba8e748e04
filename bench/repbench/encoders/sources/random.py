"""Untrained networks: what an architecture is worth before it has seen anything."""

from __future__ import annotations

from dataclasses import replace

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import FAMILIES, build, check_architecture
from repbench.encoders.images import check_image_options, image_encoder
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec

HELP = "random:ARCH[,layer=L][,pool=P][,size=PX]   an untrained network, e.g. random:resnet18 or random:small:resnet"


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UnknownNameError for an option or a network that is not known."""
    spec.only(*features.OPTIONS, *preprocess.OPTIONS)
    check_image_options(spec)
    check_architecture(_architecture(spec))


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The network with random weights of the run's seed; a name without a family is timm's.

    In evaluation mode its batch norms hold the statistics of initialisation (mean 0, variance 1): nothing is calibrated.
    """
    encoder = image_encoder(spec, build(_architecture(spec), seed=options.seed))
    return replace(encoder, kind="control", notes={**encoder.notes, "weights": f"random, seed {options.seed}"})


def _architecture(spec: Spec) -> str:
    family = spec.target.partition(":")[0]
    return spec.target if family in FAMILIES else f"timm:{spec.target}"
