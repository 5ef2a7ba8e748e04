"""Encoders from timm: `timm:resnet50.a1_in1k`, weights from the hub or a file, or random."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from repbench.encoder import Encoder
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import build_timm, check_timm
from repbench.encoders.hub import hub
from repbench.encoders.images import check_image_options, image_encoder, name_without_folders, unreachable
from repbench.encoders.load import LoadOptions
from repbench.encoders.sources import checkpoint
from repbench.encoders.spec import Spec
from repbench.encoders.surgery import check_stem
from repbench.encoders.weights import check_weights
from repbench.errors import RepbenchError, UsageError

HELP = "timm:NAME[,layer=L][,pool=avg|cls|max][,size=PX]   networks of timm, e.g. timm:resnet50.a1_in1k,layer=layer3"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS, "pretrained", "weights", "container", "prefix", "stem")


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad names and values, EncoderError for a file of weights that is none."""
    spec.only(*OPTIONS)
    check_image_options(spec)
    check_stem(spec.options.get("stem"))
    given = spec.options.get("pretrained")
    if given not in (None, "true", "false"):
        raise UsageError(f"pretrained={given}: write pretrained=true or pretrained=false.")
    if "weights" in spec.options and given == "true":
        raise UsageError(f"encoder {spec.text!r}: weights= and pretrained=true exclude each other.")
    check_timm(spec.target, pretrained=_pretrained(spec))
    if "weights" in spec.options:
        check_weights(Path(spec.options["weights"]).expanduser())


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a network of timm, its images prepared as timm says for its own weights, unless options say otherwise.

    Raises EncoderError when the weights cannot be had.
    """
    if "weights" in spec.options:
        return _from_file(spec, options, Path(spec.options["weights"]).expanduser())
    try:
        with hub() if _pretrained(spec) else nullcontext():
            blueprint = build_timm(spec.target, pretrained=_pretrained(spec), seed=options.seed)
    except RepbenchError:
        raise
    except Exception as error:
        raise unreachable(spec, error, "pretrained=false (random weights), or weights=FILE") from error
    return image_encoder(spec, blueprint)


def _pretrained(spec: Spec) -> bool:
    return spec.options.get("pretrained", "false" if "weights" in spec.options else "true") == "true"


def _from_file(spec: Spec, options: LoadOptions, path: Path) -> Encoder:
    blueprint = build_timm(spec.target, pretrained=False, seed=options.seed)
    containers = checkpoint.read_containers(path, trust=options.trust_checkpoint)
    blueprint, report = checkpoint.with_weights(blueprint, containers, path, spec, options)
    return replace(image_encoder(spec, blueprint, report), name=name_without_folders(spec, spec.options["weights"]))
