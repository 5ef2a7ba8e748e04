"""From a spec to an encoder: the one door through which every encoder comes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import cast

from repbench.encoder import Encoder
from repbench.encoders.spec import parse_spec


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What the command line says about loading, for every encoder of the run."""

    arch: str | None = None  # the architecture of a bare checkpoint file, for example "timm:resnet50"
    trust_checkpoint: bool = False  # unpickle arbitrary objects of a checkpoint: runs code that the file holds
    seed: int = 0  # of random networks


def load_encoder(text: str, options: LoadOptions = LoadOptions()) -> Encoder:
    """The encoder that a spec names. Raises UsageError for a bad spec and EncoderError when it cannot be built.

    Each module in `encoders/sources` has `load(spec, options) -> Encoder`; only the one that is named is imported.
    """
    spec = parse_spec(text)
    module = importlib.import_module(f"repbench.encoders.sources.{spec.source}")
    return cast(Encoder, module.load(spec, options))
