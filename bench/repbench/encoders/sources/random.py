"""Untrained networks: what an architecture is worth before it has seen anything."""

from __future__ import annotations

from dataclasses import replace

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import FAMILIES, build, check_architecture, seeded
from repbench.encoders.images import check_image_options, image_encoder
from repbench.encoders.load import LoadOptions
from repbench.encoders.small_audio import NAME, SmallCPC, Window, check_layer, cpc_tower
from repbench.encoders.spec import Spec

HELP = "random:ARCH[,layer=L][,pool=P][,size=PX]   an untrained network, e.g. random:resnet18 or random:small:cpc"


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UnknownNameError for an option or a network that is not known."""
    if spec.target == NAME:
        spec.only("layer")
        return check_layer(spec.options.get("layer", "c"))
    spec.only(*features.OPTIONS, *preprocess.OPTIONS)
    check_image_options(spec)
    check_architecture(_architecture(spec))
    return None


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The network with random weights of the run's seed; a name without a family is timm's. `small:cpc` hears sounds.

    In evaluation mode its batch norms hold the statistics of initialisation (mean 0, variance 1): nothing is calibrated.
    """
    encoder = _sounds(spec, options.seed) if spec.target == NAME else _images(spec, options.seed)
    return replace(encoder, kind="control", notes={**encoder.notes, "weights": f"random, seed {options.seed}"})


def _images(spec: Spec, seed: int) -> Encoder:
    return image_encoder(spec, build(_architecture(spec), seed=seed))


def _sounds(spec: Spec, seed: int) -> Encoder:
    with seeded(seed):
        network = SmallCPC()
    return Encoder(name=spec.name, towers={"audio": cpc_tower(network, Window(), spec.options.get("layer", "c"))})


def _architecture(spec: Spec) -> str:
    family = spec.target.partition(":")[0]
    return spec.target if family in FAMILIES else f"timm:{spec.target}"
