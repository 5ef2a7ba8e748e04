"""From a spec to an encoder: the one door through which every encoder comes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import cast

from repbench.encoder import Encoder
from repbench.encoders.spec import Spec, parse_spec
from repbench.errors import UsageError
from repbench.results.secrets import without_secrets


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What the command line says about loading, for every encoder of the run."""

    arch: str | None = None  # the architecture of a bare checkpoint file, for example "timm:resnet50"
    trust_checkpoint: bool = False  # unpickle arbitrary objects of a checkpoint: runs code that the file holds
    trust_remote_code: bool = False  # run Python of the repository of a model of transformers
    seed: int = 0  # of random networks


def load_encoder(text: str, options: LoadOptions = LoadOptions()) -> Encoder:
    """The encoder that a spec names. Raises UsageError for a bad spec and EncoderError when it cannot be built.

    Each module in `encoders/sources` has `check(spec, options)` and `load(spec, options) -> Encoder`, which may rely on the
    check; only the one that is named is imported.
    """
    spec, source = check_encoder(text, options)
    return cast(Encoder, source.load(spec, options))


def check_encoder(text: str, options: LoadOptions = LoadOptions()) -> tuple[Spec, ModuleType]:
    """The parsed spec and the module that loads it, after all checks that need no weights: names, values, files that exist.

    Raises UsageError, or EncoderError when a file or a package is not there. No weights are read or downloaded.
    """
    spec = parse_spec(text)
    if (harmless := without_secrets(spec.name)) != spec.name:
        raise UsageError(f"the name of the row {harmless!r} would hold a secret, and stand in its records: add ,name=ANOTHER.")
    source = importlib.import_module(f"repbench.encoders.sources.{spec.source}")
    source.check(spec, options)
    return spec, source
