"""An image classifier carried into the space of a text encoder, with no training: ConSE (Norouzi et al. 2014)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models._meta import _IMAGENET_CATEGORIES

from repbench.digests import digest_text
from repbench.encoder import Encoder, Tower
from repbench.encoders import preprocess
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.images import check_image_options
from repbench.encoders.load import LoadOptions
from repbench.encoders.preprocess import ImagePreprocess, override
from repbench.encoders.sources import packaged
from repbench.encoders.spec import Spec
from repbench.errors import UnknownNameError, UsageError

HELP = "joined:lite0+minilm[,size=PX][,k=10]   an image classifier's guesses as text embeddings: images and text in one space"
TEMPLATE = "a photo of a {}"
BATCH = 125  # class names that are embedded at once
DEFAULT_K = 10  # likeliest classes whose embeddings are mixed


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """An ImageNet classifier (logits in torchvision's order of classes) and how its images are prepared."""

    build: Callable[[], nn.Module]
    images: ImagePreprocess
    architecture: str
    package: packaged.Package


@dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """A text encoder; `build` takes the number of tokens that it reads."""

    build: Callable[[int], Tower]
    package: packaged.Package


IMAGES: Mapping[str, Classifier] = {
    "lite0": Classifier(
        build=packaged.lite0_classifier,
        images=packaged.LITE0_IMAGES,
        architecture=packaged.ARCHITECTURE,
        package=packaged.PACKAGES[packaged.LITE0],
    )
}
TEXTS: Mapping[str, TextEncoder] = {
    "minilm": TextEncoder(build=packaged.minilm_tower, package=packaged.PACKAGES[packaged.MINILM])
}


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError and UnknownNameError for a bad spec, and EncoderError when a package is not installed."""
    spec.only("k", "length", *preprocess.OPTIONS)
    image, plus, text = spec.target.partition("+")
    if not plus:
        raise UsageError(f"encoder {spec.text!r}: write IMAGE+TEXT, for example joined:lite0+minilm.")
    if image not in IMAGES:
        raise UnknownNameError("image part of a joined encoder", image, IMAGES)
    if text not in TEXTS:
        raise UnknownNameError("text part of a joined encoder", text, TEXTS)
    _classes_mixed(spec)
    packaged.text_length(spec)
    check_image_options(spec)
    IMAGES[image].package.find()
    TEXTS[text].package.find()


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """An encoder with an image and a text tower in the space of its text encoder."""
    image, _, text = spec.target.partition("+")
    k = _classes_mixed(spec)
    tower = TEXTS[text].build(packaged.text_length(spec))
    notes = {f"image {key}": value for key, value in IMAGES[image].package.notes.items()}
    notes |= {f"text {key}": value for key, value in TEXTS[text].package.notes.items()}
    return Encoder(name=spec.name, towers={"image": _image_tower(spec, IMAGES[image], tower, k), "text": tower}, notes=notes)


def class_names() -> tuple[str, ...]:
    """The 1000 names of ImageNet's classes, in the order of the logits."""
    return tuple(_IMAGENET_CATEGORIES)


def embed_texts(tower: Tower, texts: tuple[str, ...]) -> Tensor:
    """The embeddings (n, dim) of texts, tokens and mask as `packaged.Tokens` gives them.

    Short texts are batched with short ones, whose common padding the tower cuts off.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    blocks = []
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            inputs = torch.stack([tower.prepare(texts[place]) for place in order[start : start + BATCH]])
            blocks.append(tower.module(inputs))
    return torch.cat(blocks)[torch.tensor(order).argsort()]


class Conse(nn.Module):
    """Images to text embeddings: the mean of the likeliest classes' embeddings, weighted by the softmax, L2-normalised."""

    classes: Tensor

    def __init__(self, classifier: nn.Module, classes: Tensor, k: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.k = k
        # not persistent: the last digits of these embeddings differ between machines and must not reach the fingerprint
        self.register_buffer("classes", classes, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        share, place = self.classifier(images).softmax(1).topk(self.k, dim=1)
        mixed = torch.einsum("nk,nkd->nd", share, self.classes[place])
        return functional.normalize(mixed, dim=1)


def _image_tower(spec: Spec, part: Classifier, text: Tower, k: int) -> Tower:
    prepare = override(part.images, spec.options)
    names = class_names()
    prompts = tuple(TEMPLATE.format(name) for name in names)
    return make_tower(
        Conse(part.build(), embed_texts(text, prompts), k),
        prepare,
        preprocessing=prepare.words,
        features=f"ConSE: text embeddings of the {k} likeliest ImageNet classes ({TEMPLATE!r}), softmax-weighted, normalised",
        architecture=f"{part.architecture} classifier; classes {digest_text(*prompts)} by text encoder {text.fingerprint}",
    )


def _classes_mixed(spec: Spec) -> int:
    text, classes = spec.options.get("k", str(DEFAULT_K)), len(class_names())
    if not text.isdigit() or not 1 <= int(text) <= classes:
        raise UsageError(f"encoder {spec.text!r}: k={text} is no number of classes from 1 to {classes}.")
    return int(text)
