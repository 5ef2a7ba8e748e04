"""From a network and the options of a spec to an encoder with one image tower."""

from __future__ import annotations

from pathlib import Path

from repbench.encoder import Encoder, LoadReport
from repbench.encoders.architectures import Blueprint, embedding_module
from repbench.encoders.features import POOLS
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.preprocess import ImagePreprocess, override
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError, UnknownNameError


def image_encoder(spec: Spec, blueprint: Blueprint, report: LoadReport | None = None) -> Encoder:
    """The encoder of a built network, with the spec's layer, pooling and preparation of images."""
    prepare = override(blueprint.preprocess, spec.options)
    module, words = embedding_module(blueprint, spec.options.get("layer"), spec.options.get("pool"), prepare.size)
    tower = make_tower(module, prepare, preprocessing=prepare.words, features=words, architecture=blueprint.architecture)
    return Encoder(name=spec.name, towers={"image": tower}, load_report=report, notes=blueprint.notes)


def check_image_options(spec: Spec) -> None:
    """Raise UsageError or UnknownNameError for a pooling or a preparation of images that no network could have."""
    if (pool := spec.options.get("pool")) is not None and pool not in (*POOLS, "map"):
        raise UnknownNameError("pooling", pool, (*POOLS, "map"))
    override(ImagePreprocess(), spec.options)


def name_without_folders(spec: Spec, file: str) -> str:
    """The row of the leaderboard of a spec that names a file: the option `name`, else the text without the folders."""
    return spec.options.get("name") or spec.text.replace(file, Path(file).name)


def unreachable(spec: Spec, error: Exception, instead: str) -> EncoderError:
    """The error for weights that could not be downloaded, with what to type instead."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return EncoderError(
        f"the weights of {spec.text!r} could not be had ({type(error).__name__}: {reason}). "
        f"If this machine is offline, use {instead}, or copy the file into the download cache of a machine that has it."
    )
