"""Encoders that `repbench train` has written: FILE.safetensors with its description FILE.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.nn import functional

from repbench.digests import digest_bytes
from repbench.encoder import Encoder, Logit, PairScorer, Tower
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import Blueprint, build, embedding_module
from repbench.encoders.fingerprint import fingerprint_module, make_tower
from repbench.encoders.heads import SideBySide, mlp
from repbench.encoders.images import check_image_options, name_without_folders
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.lockable import check_lockable
from repbench.encoders.preprocess import ImagePreprocess, override, triple
from repbench.encoders.small_audio import SmallCPC, Window, check_layer, cpc_tower
from repbench.encoders.small_fusion import FusionScorer, FusionText
from repbench.encoders.small_text import SmallText, WordHashes
from repbench.encoders.spec import Spec
from repbench.encoders.surgery import set_input_size
from repbench.errors import EncoderError, UnknownNameError

HELP = "trained:FILE[,feature=encoder|projection][,space=NAME][,layer=L]   what repbench train wrote"
FORMAT = "repbench trained encoder 1"
LOCKED, FUSION = "locked ", "small:fusion"
FEATURES = ("encoder", "projection")
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS, "feature", "space")
State = Mapping[str, Tensor]


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad values, EncoderError for files that are missing or damaged."""
    spec.only(*OPTIONS)
    check_image_options(spec)
    if (feature := spec.options.get("feature", FEATURES[0])) not in FEATURES:
        raise UnknownNameError("feature", feature, FEATURES, f"(in the encoder {spec.text!r})")
    read_trained(Path(spec.target).expanduser())


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a training run; `feature=projection` embeds behind the head that the method trained with.

    Raises EncoderError where the weights do not fit their architecture.
    """
    path = Path(spec.target).expanduser()
    about, state = read_trained(path)
    try:
        towers = {modality: _tower(modality, facts, state, spec) for modality, facts in about["towers"].items()}
        scorers, notes = _scorers(about, state, towers), _notes(about)
        logit = _logit(about, spec)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise EncoderError(f"{path.with_suffix('.json')} does not describe a training run in full: {error}.") from error
    name = name_without_folders(spec, spec.target)
    return Encoder(name=name, towers=towers, scorers=scorers, logit=logit, notes=notes)


def _logit(about: Mapping[str, Any], spec: Spec) -> Logit | None:
    """What the run made of a cosine, where both towers embed behind the heads that it was trained behind.

    None also for a file of before it was written down.
    """
    scale = about.get("logit scale")
    behind = all(spec.options.get("feature", facts["embedding"]) == "projection" for facts in about["towers"].values())
    return Logit(scale=float(scale)) if scale is not None and behind and "layer" not in spec.options else None


def _notes(about: Mapping[str, Any]) -> dict[str, str]:
    return {
        "method": str(about["method"]),
        "trained on": f"{about['data']['dataset']} ({about['data']['split']}, {about['data']['fingerprint'][:12]})",
        "epochs": str(about["settings"]["epochs"]),
        "seed": str(about["settings"]["seed"]),
        "trained by": " ".join(f"{name} {value}" for name, value in about["versions"].items()),
    }


def read_trained(path: Path) -> tuple[dict[str, Any], State]:
    """The description and the tensors of a training run. Raises EncoderError."""
    if not path.name:
        raise EncoderError(f"{path} is a folder; name the file that `repbench train METHOD --out FILE` wrote.")
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise EncoderError(f"there is no file {file}; `repbench train METHOD --data DATASET --out {path}` writes it.")
    try:
        about = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError(f"{beside} is no description of a training run ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise EncoderError(f"{beside} is no description of a training run (no format {FORMAT!r}).")
    data = path.read_bytes()
    if digest_bytes(data) != about["weights digest"]:
        raise EncoderError(f"{path} is not the file that {beside.name} describes (another digest); train or copy both again.")
    return about, load_tensors(data)


def _tower(modality: str, facts: Mapping[str, Any], state: State, spec: Spec) -> Tower:
    feature = spec.options.get("feature", "projection" if "space" in spec.options else facts["embedding"])
    if feature == "projection" and not facts["head"]:
        raise EncoderError(f"{spec.text!r}: this method has no projection head; leave feature= out.")
    if facts["architecture"].startswith(LOCKED):
        return _locked_tower(modality, facts, state)
    return BUILDERS[modality](facts, state, spec, feature == "projection")


def _image_tower(facts: Mapping[str, Any], state: State, spec: Spec, project: bool) -> Tower:
    blueprint = build(facts["architecture"], seed=0)
    prepared = dict(facts["preprocess"])
    mean, std = triple(prepared.pop("mean")), triple(prepared.pop("std"))
    prepare = ImagePreprocess(**prepared, mean=mean, std=std)
    set_input_size(blueprint.network, prepare.size)
    _fill(blueprint.network, state, "image.network.")
    blueprint = Blueprint(
        architecture=blueprint.architecture, network=blueprint.network, preprocess=prepare, notes=blueprint.notes
    )
    prepare = override(prepare, spec.options)
    module, words = embedding_module(blueprint, spec.options.get("layer"), spec.options.get("pool"), prepare.size)
    if project:
        head, told = _space(filled_head(facts, state, "image"), facts["head"], spec)
        module, words = nn.Sequential(module, head), f"{words}, then {told}"
    return make_tower(module, prepare, preprocessing=prepare.words, features=words, architecture=blueprint.architecture)


def filled_head(facts: Mapping[str, Any], state: State, modality: str) -> nn.Module:
    """The projection head of a tower, with its weights."""
    known = dict(facts["head"])
    spaces = known.pop("spaces", ())
    head = SideBySide([mlp(**known) for _ in spaces]) if spaces else mlp(**known)
    _fill(head, state, f"{modality}.head.")
    return head


def _space(head: nn.Module, known: Mapping[str, Any], spec: Spec) -> tuple[nn.Module, str]:
    """The head into one space where the name asks for one, else the whole projection; and what it is in words."""
    if (wanted := spec.options.get("space")) is None:
        return head, "the projection head"
    if not isinstance(head, SideBySide):
        raise EncoderError(f"{spec.text!r}: this method has one space; leave space= out.")
    if wanted not in known["spaces"]:
        raise UnknownNameError("space", wanted, known["spaces"], f"(in the encoder {spec.text!r})")
    return head.heads[known["spaces"].index(wanted)], f"the head of the space {wanted}"


def _fill(module: nn.Module, state: State, prefix: str) -> None:
    found = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    try:
        with torch.no_grad():
            module.load_state_dict(found, strict=True)
    except RuntimeError as error:
        raise EncoderError(f"the trained weights do not fit their architecture: {error}") from error


def _text_tower(facts: Mapping[str, Any], state: State, spec: Spec, project: bool) -> Tower:
    module = _text_network(facts)
    _fill(module, state, "text.network.")
    words = "mean of the tokens of the last layer"
    if project:
        module, words = nn.Sequential(module, filled_head(facts, state, "text")), f"{words}, then the projection head"
    prepare = WordHashes(**facts["preprocess"])
    return make_tower(
        module, prepare, preprocessing=prepare.words, features=words, architecture=facts["architecture"], example="a cat"
    )


def _text_network(facts: Mapping[str, Any]) -> nn.Module:
    return _fusion_text(facts) if facts["architecture"] == FUSION else SmallText()


def _fusion_text(facts: Mapping[str, Any]) -> FusionText:
    return FusionText(facts["image width"], facts.get("image places", 0))  # the first files did not say: of tokens, none


def _scorers(about: Mapping[str, Any], state: State, towers: Mapping[str, Tower]) -> dict[str, PairScorer]:
    """The scorers "itm" and "lm" of a method whose text network looks at images."""
    facts = about["towers"]
    if facts.get("text", {}).get("architecture") != FUSION:
        return {}
    network, text = build(facts["image"]["architecture"], seed=0).network, _fusion_text(facts["text"])
    set_input_size(network, facts["image"]["preprocess"]["size"])
    _fill(network, state, "image.network.")
    _fill(text, state, "text.network.")
    prepare = {modality: tower.prepare for modality, tower in towers.items()}
    words = {"itm": "log-odds of matching", "lm": "mean log-probability of the words, given the image"}
    found = {}
    for kind, meaning in words.items():
        module = FusionScorer(kind, network, text).eval().requires_grad_(False)
        fingerprint = fingerprint_module(module, kind, *(tower.preprocessing for tower in towers.values()))
        found[kind] = PairScorer(prepare=prepare, module=module, fingerprint=fingerprint, words=meaning)
    return found


def _audio_tower(facts: Mapping[str, Any], state: State, spec: Spec, project: bool) -> Tower:
    network = SmallCPC(*facts["widths"])
    _fill(network, state, "audio.network.")
    layer = spec.options.get("layer", "c")
    check_layer(layer)
    return cpc_tower(network, Window(**facts["preprocess"]), layer)


def _locked_tower(modality: str, facts: Mapping[str, Any], state: State) -> Tower:
    """A tower that was not trained, with the projection that was trained behind it."""
    locked = facts["architecture"].removeprefix(LOCKED)
    check_lockable(locked)  # what a file names must not run a program of its author's
    base = load_encoder(locked).towers[modality]
    head = filled_head(facts, state, modality)
    module = nn.Sequential(base.module, UnitLength(), head).eval().requires_grad_(False)
    words = f"{base.features}; L2-normalised, then the projection head"
    return Tower(
        prepare=base.prepare,
        module=module,
        dim=facts["head"]["widths"][-1],
        fingerprint=fingerprint_module(head, base.fingerprint, words),
        preprocessing=base.preprocessing,
        features=words,
    )


class UnitLength(nn.Module):
    """Rows divided by their norms."""

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (n, d) of length 1."""
        return functional.normalize(rows, dim=1)


Builder = Callable[[Mapping[str, Any], State, Spec, bool], Tower]
BUILDERS: Mapping[str, Builder] = {"image": _image_tower, "text": _text_tower, "audio": _audio_tower}
