"""Encoders from transformers: `hf:facebook/dinov2-base` or a folder; images, images with texts, or speech."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from repbench.encoder import Encoder, Tower
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError

if TYPE_CHECKING:
    from repbench.encoders.transformers_loading import Loaded

HELP = "hf:ID|FOLDER[,layer=N][,pool=avg|cls][,seconds=S]   models of transformers, e.g. hf:facebook/dinov2-base"


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a model of transformers, by its identifier on the hub or its folder. Code of the hub is never run.

    Raises EncoderError when transformers is missing, and when the model cannot be had or is of a kind without a tower here.
    """
    if importlib.util.find_spec("transformers") is None:
        raise EncoderError(f"{spec.text!r} needs transformers, which is not installed: pip install 'repbench[hf]'")
    from repbench.encoders import transformers_loading as loading

    loaded = loading.load_model(spec)
    return Encoder(name=spec.name, towers=_towers(loaded, spec), load_report=loaded.report, notes=loaded.notes)


def _towers(loaded: Loaded, spec: Spec) -> dict[str, Tower]:
    from repbench.encoders import transformers_audio, transformers_vision

    if loaded.kind == "audio":
        return {"audio": transformers_audio.tower(loaded, spec)}
    if loaded.kind == "image":
        return {"image": transformers_vision.tower(loaded, spec)}
    return transformers_vision.paired_towers(loaded, spec)
