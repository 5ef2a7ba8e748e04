"""Models of transformers from the hub or a folder, every tensor accounted for."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModel

from repbench.digests import digest_bytes
from repbench.encoder import LoadReport
from repbench.encoders.hub import hub
from repbench.encoders.images import unreachable
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError, UsageError

AUDIO = ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio", "wav2vec2-conformer")
WHISPER = "whisper"
PAIRED = ("clip", "siglip", "siglip2", "altclip", "chinese_clip", "align", "metaclip_2")
BLIP = {"BlipForImageTextRetrieval": "blip-itm", "BlipForConditionalGeneration": "blip-lm"}  # saved as -> kind
TOLERATED = ("pooler.", "logit_scale", "logit_bias", "mask_token", "masked_spec_embed")  # never used in an embedding

INCIDENTAL = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "id2label", "label2id")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model of transformers in evaluation mode, and where it came from.

    `kind`: "image", "audio", "whisper", "pair" or one of BLIP's.
    """

    model: nn.Module
    config: Any
    kind: str
    report: LoadReport
    notes: Mapping[str, str]
    trusted: bool = False  # whether Python of its repository may run

    @property
    def architecture(self) -> str:
        """The architecture in words, with what the weights do not tell: of a repository's own Python, its digest."""
        facts = {key: value for key, value in self.config.to_dict().items() if key not in INCIDENTAL}
        own = "".join(f" {name} {digest}" for name, digest in repository_code(self.model).items())
        return f"transformers:{type(self.model).__name__} {json.dumps(facts, sort_keys=True, default=str)}{own}"


def load_model(spec: Spec, *, trust: bool = False) -> Loaded:
    """The model that a spec names; `trust` runs Python of its repository.

    Raises EncoderError when it cannot be had or tensors of it are missing.
    """
    config = _fetch(spec, AutoConfig.from_pretrained, trust)
    kind = _kind(config)
    arguments: dict[str, Any] = {"config": config, "output_loading_info": True, _dtype_argument(): torch.float32}
    if kind == "image" and _accepts_pooling_switch(config):
        arguments["add_pooling_layer"] = False  # a dense layer that is random unless the model was trained with it
    with _without_bars():
        model, info = _fetch(spec, _class(kind, config).from_pretrained, trust, **arguments)
    report = _report(spec, model, info)
    notes = {**_notes(spec, config), **_code_notes(model)}
    return Loaded(model=model.eval(), config=config, kind=kind, report=report, notes=notes, trusted=trust)


def repository_code(model: nn.Module) -> dict[str, str]:
    """The Python files of its repository that a model was loaded with, and their digests; none for one of transformers."""
    place = sys.modules[type(model).__module__]
    if not place.__name__.startswith("transformers_modules.") or place.__file__ is None:
        return {}
    return {path.name: digest_bytes(path.read_bytes()) for path in sorted(Path(place.__file__).parent.glob("*.py"))}


def _code_notes(model: nn.Module) -> dict[str, str]:
    if not (files := repository_code(model)):
        return {}
    told = ", ".join(f"{name} {digest[:8]}" for name, digest in files.items())
    return {"trusted": f"Python of the repository was run (--trust-remote-code): {told}"}


def _class(kind: str, config: Any) -> Any:
    if kind == WHISPER and (config.architectures or [""])[0] == "WhisperEncoder":
        return transformers.models.whisper.modeling_whisper.WhisperEncoder
    return next((getattr(transformers, name) for name, one in BLIP.items() if one == kind), AutoModel)


@contextmanager
def _without_bars() -> Iterator[None]:
    """A block without transformers' own progress bars: the run shows one of its own."""
    bars: Any = transformers.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def fetch_part(loaded: Loaded, spec: Spec, load: Callable[..., Any]) -> Any:
    """A tokenizer or processor that lies beside the model."""
    return _fetch(spec, load, loaded.trusted)


def _fetch(spec: Spec, load: Callable[..., Any], trust: bool, **arguments: Any) -> Any:
    try:
        with nullcontext() if Path(spec.target).is_dir() else hub():
            return load(spec.target, trust_remote_code=trust, **arguments)
    except Exception as error:
        if not trust and ("trust_remote_code" in str(error) or "custom code" in str(error)):
            raise EncoderError(
                f"{spec.text!r} needs Python of its own repository (auto_map in its files), which is not run unasked. "
                "Read that code; if you trust it, add --trust-remote-code: it runs with all that you may do."
            ) from error
        if Path(spec.target).is_dir():
            raise EncoderError(f"{spec.target} cannot be loaded ({type(error).__name__}: {str(error)[:300]})") from error
        raise unreachable(spec, error, "hf:FOLDER with the files of the model") from error


def _kind(config: Any) -> str:
    if config.model_type in AUDIO:
        return "audio"
    if config.model_type == WHISPER:
        return WHISPER
    if config.model_type in PAIRED:
        return "pair"
    if config.model_type == "blip" and (saved := (config.architectures or [""])[0]) in BLIP:
        return BLIP[saved]
    if hasattr(config, "num_channels") or hasattr(config, "image_size"):
        return "image"
    raise EncoderError(
        f"models of the type {config.model_type!r} are not known here: hf: takes vision models, "
        f"{', '.join(PAIRED[:3])} and {', '.join((*AUDIO[:3], WHISPER))}. Write a Python function instead: my_encoder.py:load"
    )


def _accepts_pooling_switch(config: Any) -> bool:
    kind: Any = transformers.MODEL_MAPPING.get(type(config), None)
    return kind is not None and "add_pooling_layer" in inspect.signature(kind).parameters


def _dtype_argument() -> str:
    return "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"


def _report(spec: Spec, model: nn.Module, info: Mapping[str, Any]) -> LoadReport:
    sizes = {name: value.numel() for name, value in model.state_dict().items()}
    missing = sorted(set(info["missing_keys"]) & set(sizes))
    wrong = sorted(str(entry[0]) if isinstance(entry, tuple) else str(entry) for entry in info["mismatched_keys"])
    lacking = [name for name in (*missing, *wrong) if not any(part in name for part in TOLERATED)]
    if lacking:
        raise EncoderError(
            f"{spec.text!r}: {len(lacking)} tensors of the network are not in its file and would be random: "
            f"{', '.join(lacking[:10])}. Save the whole model with save_pretrained."
        )
    filled = [name for name in sizes if name not in missing and name not in wrong]
    return LoadReport(
        filled=tuple(filled),
        missing=tuple(missing),
        unexpected=tuple(sorted(info["unexpected_keys"])),
        wrong_shape=tuple(wrong),
        share_of_tensors=len(filled) / max(1, len(sizes)),
        share_of_parameters=sum(sizes[name] for name in filled) / max(1, sum(sizes.values())),
    )


def _notes(spec: Spec, config: Any) -> dict[str, str]:
    notes = {"package": f"transformers {transformers.__version__}", "weights": spec.target.rstrip("/").rsplit("/", 1)[-1]}
    if not Path(spec.target).exists():
        notes["weights"] = spec.target
    if getattr(config, "_commit_hash", None):
        notes["revision"] = config._commit_hash
    return notes


def whole_number(option: str, text: str) -> int:
    """The number that an option gives. Raises UsageError for anything else."""
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{option}={text} is no number.") from None
