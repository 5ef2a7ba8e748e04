"""Contrastive encoders from open_clip: `open_clip:ViT-B-32/laion2b_s34b_b79k`, an image and a text tower."""

from __future__ import annotations

import copy
import logging
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor, nn

from repbench.encoder import Encoder, PairScorer, Tower
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import seeded
from repbench.encoders.features import first_tensor, select_features
from repbench.encoders.fingerprint import fingerprint_module, make_tower
from repbench.encoders.hub import hub
from repbench.encoders.images import check_image_options, name_without_folders, unreachable
from repbench.encoders.load import LoadOptions
from repbench.encoders.logit import logit_of
from repbench.encoders.preprocess import ImagePreprocess, override, triple
from repbench.encoders.spec import Spec
from repbench.encoders.weights import check_weights, read_weights
from repbench.errors import EncoderError, RepbenchError, UnknownNameError, UsageError

HELP = "open_clip:MODEL/TAG|FILE|random[,features=backbone]   image and text, e.g. open_clip:ViT-B-32/laion2b_s34b_b79k"
OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS, "features")
FEATURES = ("projection", "backbone")
SCHEMAS = ("hf-hub:", "local-dir:")  # open_clip's own ways to name a model together with its weights
UNUSED = ("visual", "text_decoder", "logit_scale", "logit_bias")  # of the model, by its text tower


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad names and values, EncoderError for a file of weights that is none."""
    spec.only(*OPTIONS)
    check_image_options(spec)
    wanted = spec.options.get("features", "projection")
    if wanted not in FEATURES:
        raise UnknownNameError("choice of features", wanted, FEATURES)
    if "pool" in spec.options and "layer" not in spec.options:
        pool = spec.options["pool"]
        raise UsageError(f"encoder {spec.text!r}: pool={pool} needs a layer, for example layer=transformer,pool={pool}.")
    name, weights = _split(spec)
    if weights not in ("", "random") and not get_pretrained_cfg(name, weights):
        _check_file(name, weights)
        check_weights(Path(weights).expanduser())


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder of a model of open_clip, its embeddings projected (the default) and not normalised.

    `features=backbone`, `layer` and `pool` choose another feature of the image tower; no text tower stands beside it then,
    for their embeddings could not be compared. Raises EncoderError when weights cannot be had.
    """
    wanted = spec.options.get("features", "projection")
    name, weights = _split(spec)
    is_file = Path(weights).expanduser().is_file()
    try:
        backbone = wanted == "backbone" or "layer" in spec.options or "pool" in spec.options
        with nullcontext() if is_file else hub():
            model, notes = _build(name, weights, options)
            tokenizer = None if backbone else open_clip.get_tokenizer(name)
    except RepbenchError:
        raise
    except Exception as error:
        _blame_file(weights, name, options, error)
        raise unreachable(spec, error, f"open_clip:{name}/random (random weights), or open_clip:{name}/FILE") from error
    towers = {"image": _image_tower(model, spec, name, backbone)}
    if tokenizer is not None:
        towers["text"] = _text_tower(model, tokenizer, name)
    scorers = _scorers(model, towers) if "text" in towers else {}
    row = name_without_folders(spec, weights) if is_file else spec.name
    logit = logit_of(model) if "text" in towers else None
    return Encoder(name=row, towers=towers, scorers=scorers, logit=logit, notes=notes)


class TextTower(nn.Module):
    """The part of a contrastive model that embeds texts; it shares the model's tensors and holds nothing of the image tower."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        part = copy.copy(model)
        part._modules = {key: value for key, value in model._modules.items() if key not in UNUSED}
        part._parameters = {key: value for key, value in model._parameters.items() if key not in UNUSED}
        part._buffers = dict(model._buffers)
        self.model = part

    def forward(self, tokens: Tensor) -> Tensor:
        """Projected embeddings (n, dim), not normalised."""
        encode: Callable[..., Any] = self.model.encode_text  # type: ignore[assignment]
        return first_tensor(encode(tokens, normalize=False))


class ImageTower(nn.Module):
    """The image part of a contrastive model, whose output may be a pair with the pooled vector first."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (n, dim), not normalised."""
        return first_tensor(self.visual(images))


class Captioner(nn.Module):
    """CoCa's likelihood of texts given images (Yu et al. 2022): the sum of the log-probabilities of their tokens."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Scores (n,): log p(text | image); padding counts nothing."""
        model: Any = self.model
        _, seen = model._encode_image(images)
        _, read = model._encode_text(tokens)
        logs = model.text_decoder(seen, read)[:, :-1].float().log_softmax(dim=-1)
        follows = tokens[:, 1:]
        if logs.shape[1] != follows.shape[1]:
            raise EncoderError(f"the decoder gives {logs.shape[1] + 1} tokens for {tokens.shape[1]}: texts of another length.")
        there = follows != getattr(model, "pad_id", 0)
        scores: Tensor = (logs.gather(2, follows.unsqueeze(2))[:, :, 0] * there).sum(dim=1)
        return scores


@dataclass(frozen=True)
class Tokens:
    """A picklable preparation of texts: token numbers (length,), padded or cut to the model's length."""

    tokenizer: Any

    def __call__(self, text: str) -> Tensor:
        """The network's input for one text."""
        tokens: Tensor = self.tokenizer([text])[0]
        return tokens


def _split(spec: Spec) -> tuple[str, str]:
    if spec.target.startswith(SCHEMAS):
        return spec.target, ""
    name, _, weights = spec.target.partition("/")
    known = open_clip.list_models()
    if name not in known:
        raise UnknownNameError("open_clip model", name, known)
    if not weights:
        known = [*list_pretrained_tags_by_model(name), "random"]
        words = f"write open_clip:{name}/{known[0]}. Known: {', '.join(known)}, or the path of a file."
        raise UsageError(f"encoder {spec.text!r} names no weights; {words}")
    return name, weights


def _build(name: str, weights: str, options: LoadOptions) -> tuple[nn.Module, Mapping[str, str]]:
    notes = {"package": f"open_clip {open_clip.__version__}", "weights": weights or name}
    arguments: dict[str, Any] = {"pretrained": _expanded(weights), "weights_only": not options.trust_checkpoint}
    if weights == "random":
        arguments |= {"pretrained": None, "load_weights": False, "pretrained_text": False}
    elif weights:
        arguments |= _activation(name, weights, notes)
    with seeded(options.seed), _quietly(weights == "random"):
        model: nn.Module = open_clip.create_model(name, **arguments)
        if weights == "random":
            _draw_what_was_left_empty(model)
    return model.eval(), notes


def _draw_what_was_left_empty(model: nn.Module) -> None:
    """CoCa's decoder ends in a projection for which open_clip reserves memory and draws nothing: NaN may lie there."""
    projection = getattr(getattr(model, "text_decoder", None), "text_projection", None)
    if projection is not None:
        nn.init.normal_(projection, std=projection.shape[0] ** -0.5)


@contextmanager
def _quietly(random: bool) -> Iterator[None]:
    """A block without warnings of what is settled here: activations that differ, random weights that were asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING if random else before)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="QuickGELU mismatch")
            yield
    finally:
        logging.disable(before)


def _activation(name: str, weights: str, notes: dict[str, str]) -> dict[str, bool]:
    """The GELU that the weights were trained with: open_clip only warns when the model's name says another one."""
    facts = get_pretrained_cfg(name, weights)
    if not facts:
        notes["weights"] = Path(weights).name
        return {}
    trained = bool(facts.get("quick_gelu", False))
    if trained == bool(open_clip.get_model_config(name).get("quick_gelu", False)):
        return {}
    notes["activation"] = f"{'QuickGELU' if trained else 'GELU'}, with which {weights} was trained; {name} names the other one"
    return {"quick_gelu": trained}


def _expanded(weights: str) -> str | None:
    return str(Path(weights).expanduser()) if weights.startswith("~") else weights or None


def _check_file(name: str, weights: str) -> None:
    """Raise UnknownNameError for what is neither a path nor a tag; what looks like a path is `check_weights`' to judge."""
    path = Path(weights).expanduser()
    if not (path.exists() or path.parent != Path() or path.suffix):
        known = [*list_pretrained_tags_by_model(name), "random"]
        raise UnknownNameError(f"weights of open_clip's {name}", weights, known, "A path to a file works too.")


def _blame_file(weights: str, name: str, options: LoadOptions, error: Exception) -> None:
    """Raise the EncoderError that says what is wrong with a file of weights; return when there is no file to blame."""
    path = Path(weights).expanduser()
    if weights and path.is_file():
        read_weights(path, trust=options.trust_checkpoint)  # says it better, if the file itself is bad
        reason = textwrap.shorten(str(error), 400, placeholder=" ...")
        words = f"Write the model that they are of (open_clip:MODEL/{path}). What open_clip says: {reason}"
        raise EncoderError(f"{path} does not hold the weights of open_clip's {name}. {words}") from error


def _image_tower(model: nn.Module, spec: Spec, name: str, backbone: bool) -> Tower:
    visual: nn.Module = model.visual  # type: ignore[assignment]
    prepare = override(_preprocess(visual), spec.options)
    module, words = _image_features(visual, spec, name) if backbone else (ImageTower(visual), "projected embedding")
    return make_tower(module, prepare, preprocessing=prepare.words, features=words, architecture=_architecture(model, name))


def _image_features(visual: nn.Module, spec: Spec, name: str) -> tuple[nn.Module, str]:
    layer, pool = spec.options.get("layer"), spec.options.get("pool")
    if layer is not None:
        module = select_features(visual, layer=layer, pool=pool)
        return module, module.words
    if hasattr(visual, "proj"):  # open_clip's own transformer
        visual.register_parameter("proj", None)
        return ImageTower(visual), "pooled feature before the projection"
    if hasattr(visual, "trunk"):  # a network of timm
        return ImageTower(visual.trunk), "feature of the trunk before the projection"  # type: ignore[arg-type]
    if hasattr(visual, "layer4"):  # a modified ResNet projects inside its attention pooling
        return select_features(visual, layer="layer4", pool="avg"), "layer4, average pooled, before the attention pooling"
    raise EncoderError(f"repbench does not know where {name} projects; choose a layer with layer=NAME.")


def _text_tower(model: nn.Module, tokenizer: Any, name: str) -> Tower:
    length = getattr(tokenizer, "context_length", "?")
    return make_tower(
        TextTower(model),
        Tokens(tokenizer),
        preprocessing=f"tokens of {type(tokenizer).__name__}, length {length}",
        features="projected embedding",
        architecture=_architecture(model, name),
        example="a photo of a cat",
    )


def _scorers(model: nn.Module, towers: Mapping[str, Tower]) -> dict[str, PairScorer]:
    """The likelihood of a model that writes captions; none for others."""
    if not hasattr(model, "text_decoder"):
        return {}
    prepare = {modality: tower.prepare for modality, tower in towers.items()}
    module = Captioner(model).eval().requires_grad_(False)
    fingerprint = fingerprint_module(module, "lm", *(tower.preprocessing for tower in towers.values()))
    words = "log-probability of the text, given the image"
    return {"lm": PairScorer(prepare=prepare, module=module, fingerprint=fingerprint, words=words)}


def _architecture(model: nn.Module, name: str) -> str:
    """The name, and the activation: the two networks that differ in it have the same weights."""
    quick = any(type(module).__name__ == "QuickGELU" for module in model.modules())
    return f"open_clip:{name.removesuffix('-quickgelu')}{' with QuickGELU' if quick else ''}"


def _preprocess(visual: nn.Module) -> ImagePreprocess:
    facts: Mapping[str, Any] = visual.preprocess_cfg  # type: ignore[assignment]
    size = facts["size"] if isinstance(facts["size"], int) else facts["size"][0]
    if not isinstance(facts["size"], int) and len(set(facts["size"])) != 1:
        raise EncoderError(f"the model reads images of {facts['size']} pixels; repbench prepares square images only.")
    return ImagePreprocess(
        size=size,
        resize=size,
        interpolation=facts["interpolation"],
        mode=facts["resize_mode"],
        mean=triple(facts["mean"]),
        std=triple(facts["std"]),
    )
