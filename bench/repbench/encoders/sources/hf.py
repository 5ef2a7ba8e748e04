"""Encoders from transformers: `hf:facebook/dinov2-base` or a folder; images, images with texts, BLIP, or speech."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from repbench.encoder import Encoder, PairScorer, Tower
from repbench.encoders import features, preprocess
from repbench.encoders.images import check_image_options
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError

if TYPE_CHECKING:
    from repbench.encoders.transformers_loading import Loaded

HELP = "hf:ID|FOLDER[,layer=N][,pool=avg|cls][,seconds=S]   models of transformers, e.g. hf:facebook/dinov2-base"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS, "features", "seconds")  # of all kinds of models; each says which it takes


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad values, EncoderError when transformers or the model's config is missing."""
    if importlib.util.find_spec("transformers") is None:
        raise EncoderError(f"{spec.text!r} needs transformers, which is not installed: pip install 'repbench[hf]'")
    spec.only(*OPTIONS)
    check_image_options(spec)
    if Path(spec.target).is_dir() and not (Path(spec.target) / "config.json").exists():
        raise EncoderError(f"the folder {spec.target} holds no config.json; save a model with model.save_pretrained(FOLDER).")


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a model of transformers, by its identifier on the hub or its folder.

    Python of its repository runs with `options.trust_remote_code` alone.
    Raises EncoderError when the model cannot be had or is of a kind without a tower here.
    """
    from repbench.encoders import transformers_loading as loading
    from repbench.encoders.logit import logit_of

    loaded = loading.load_model(spec, trust=options.trust_remote_code)
    towers, scorers = _parts(loaded, spec)
    logit = logit_of(loaded.model) if loaded.kind == "pair" and "text" in towers else None
    return Encoder(name=spec.name, towers=towers, scorers=scorers, load_report=loaded.report, logit=logit, notes=loaded.notes)


def _parts(loaded: Loaded, spec: Spec) -> tuple[dict[str, Tower], dict[str, PairScorer]]:
    from repbench.encoders import transformers_audio, transformers_blip, transformers_vision
    from repbench.encoders.transformers_loading import WHISPER

    if loaded.kind == "audio":
        return {"audio": transformers_audio.tower(loaded, spec)}, {}
    if loaded.kind == WHISPER:
        from repbench.encoders import transformers_whisper

        return {"audio": transformers_whisper.tower(loaded, spec)}, {}
    if loaded.kind == "image":
        return {"image": transformers_vision.tower(loaded, spec)}, {}
    if loaded.kind == "pair":
        return transformers_vision.paired_towers(loaded, spec), {}
    return transformers_blip.parts(loaded, spec)
