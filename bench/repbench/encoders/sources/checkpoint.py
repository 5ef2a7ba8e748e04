"""Encoders from a file of weights: `ckpt.pt,arch=timm:resnet50`, whatever method wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from repbench.encoder import Encoder, LoadReport
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import Blueprint, build, check_architecture
from repbench.encoders.containers import Match, State, best_match, check_containers, find_containers
from repbench.encoders.filling import fill
from repbench.encoders.guess import guess_architectures
from repbench.encoders.images import check_image_options, image_encoder
from repbench.encoders.load import LoadOptions
from repbench.encoders.preprocess import ImagePreprocess
from repbench.encoders.spec import Spec
from repbench.encoders.surgery import check_stem, fit_cifar_stem, wants_cifar_stem
from repbench.encoders.weights import check_weights, read_weights
from repbench.errors import EncoderError

HELP = "FILE,arch=timm:NAME|torchvision:NAME[,prefix=P][,container=C]   a checkpoint, e.g. moco.pth.tar,arch=timm:resnet50"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS, "arch", "container", "prefix", "stem")
Containers = Mapping[str, State]
SMALL = 32  # pixels that a CIFAR stem reads, unless size= says otherwise


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad names and values, EncoderError for a file that is no checkpoint."""
    spec.only(*OPTIONS)
    check_image_options(spec)
    check_stem(spec.options.get("stem"))
    path = Path(spec.target).expanduser()
    check_weights(path)
    architecture = spec.options.get("arch") or options.arch
    if not architecture:
        raise EncoderError(_ask_for_architecture(path, read_containers(path, trust=options.trust_checkpoint)))
    check_architecture(architecture)


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a checkpoint. Raises EncoderError for a bad file or one that does not fit its architecture.

    Images are resized and cropped to the network's size (bicubic) and normalised by ImageNet's mean and standard deviation,
    as self-supervised methods do, unless the spec says otherwise.
    """
    path = Path(spec.target).expanduser()
    containers = read_containers(path, trust=options.trust_checkpoint)
    blueprint = build(spec.options.get("arch") or options.arch or "", seed=options.seed)
    size = blueprint.preprocess.size
    blueprint = replace(blueprint, preprocess=ImagePreprocess(size=size, resize=size))
    blueprint, report = with_weights(blueprint, containers, path, spec, options)
    return image_encoder(spec, blueprint, report)


def read_containers(path: Path, *, trust: bool) -> Containers:
    """The dicts of tensors in a file, by their place in it. Raises EncoderError when there are none."""
    containers = find_containers(read_weights(path, trust=trust))
    check_containers(containers, str(path))
    return containers


def with_weights(
    blueprint: Blueprint, containers: Containers, path: Path, spec: Spec, options: LoadOptions
) -> tuple[Blueprint, LoadReport]:
    """The blueprint with its network filled from a file (its stem exchanged where the file has another), and the report."""
    network, stem = blueprint.network, spec.options.get("stem")
    match = _match(network, containers, spec)
    small = stem == "cifar" or (stem is None and wants_cifar_stem(network, _first_shape(containers, match)))
    if small:
        fit_cifar_stem(network)
        match = _match(network, containers, spec)
        preparation = replace(blueprint.preprocess, size=SMALL, resize=SMALL)
        blueprint = replace(blueprint, architecture=f"{blueprint.architecture} with a CIFAR stem", preprocess=preparation)
    report = fill(network, containers, match, f"{path} as {blueprint.architecture}")
    return replace(blueprint, notes={**blueprint.notes, **_notes(path, report, options)}), report


def _match(network: nn.Module, containers: Containers, spec: Spec) -> Match:
    return best_match(network, containers, spec.options.get("container"), spec.options.get("prefix"))


def _first_shape(containers: Containers, match: Match) -> tuple[int, ...] | None:
    """The shape in the file of what would be the network's first convolution."""
    name = match.names.get("conv1.weight") or match.wrong_shape.get("conv1.weight")
    return None if name is None else tuple(containers[match.container][name].shape)


def _notes(path: Path, report: LoadReport, options: LoadOptions) -> dict[str, str]:
    notes = {"checkpoint": path.name}
    if report.missing:
        notes["left at random"] = ", ".join(report.missing)
    if options.trust_checkpoint:
        notes["trusted"] = "objects of the checkpoint were unpickled (--trust-checkpoint)"
    return notes


def _ask_for_architecture(path: Path, containers: Containers) -> str:
    guesses = [guess for state in containers.values() for guess in guess_architectures(state)]
    likely = f" Its shapes look like {guesses[0]}." if guesses else ""
    example = guesses[0] if guesses else "timm:resnet50"
    return f"{path} does not say which network its weights are of.{likely} Type {path},arch={example} (or --arch {example})."
