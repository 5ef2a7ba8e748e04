"""Encoders from timm: `timm:resnet50.a1_in1k`, weights from the hub or a file, or random."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import build_timm
from repbench.encoders.images import image_encoder, name_without_folders, unreachable
from repbench.encoders.load import LoadOptions
from repbench.encoders.sources import checkpoint
from repbench.encoders.spec import Spec
from repbench.errors import RepbenchError, UsageError

HELP = "timm:NAME[,layer=L][,pool=avg|cls|max][,size=PX]   networks of timm, e.g. timm:resnet50.a1_in1k,layer=layer3"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS, "pretrained", "weights", "container", "prefix", "stem")


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a network of timm, its images prepared as timm says for its own weights, unless options say otherwise.

    Raises UnknownNameError, and EncoderError when the weights cannot be had.
    """
    spec.only(*OPTIONS)
    pretrained = spec.options.get("pretrained", "false" if "weights" in spec.options else "true")
    if pretrained not in ("true", "false"):
        raise UsageError(f"pretrained={pretrained}: write pretrained=true or pretrained=false.")
    if "weights" in spec.options:
        return _from_file(spec, options, Path(spec.options["weights"]).expanduser())
    try:
        blueprint = build_timm(spec.target, pretrained=pretrained == "true", seed=options.seed)
    except RepbenchError:
        raise
    except Exception as error:
        raise unreachable(spec, error, "pretrained=false (random weights), or weights=FILE") from error
    return image_encoder(spec, blueprint)


def _from_file(spec: Spec, options: LoadOptions, path: Path) -> Encoder:
    if spec.options.get("pretrained") == "true":
        raise UsageError(f"encoder {spec.text!r}: weights= and pretrained=true exclude each other.")
    blueprint = build_timm(spec.target, pretrained=False, seed=options.seed)
    containers = checkpoint.read_containers(path, trust=options.trust_checkpoint)
    blueprint, report = checkpoint.with_weights(blueprint, containers, path, spec, options)
    return replace(image_encoder(spec, blueprint, report), name=name_without_folders(spec, spec.options["weights"]))
