"""An image encoder carried into the space of a text encoder, with no training: ConSE (Norouzi et al. 2014)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import _meta

from repbench.digests import digest_text
from repbench.encoder import Encoder, Tower
from repbench.encoders import preprocess
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.load import LoadOptions
from repbench.encoders.preprocess import ImagePreprocess, override
from repbench.encoders.sources import packaged
from repbench.encoders.spec import Spec
from repbench.errors import UnknownNameError, UsageError

HELP = "joined:lite0+minilm[,size=PX][,k=10]   an image classifier's guesses as text embeddings: images and text in one space"
TEMPLATE = "a photo of a {}"
CLASSES = 1000
BATCH = 125  # class names embedded at once


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """An ImageNet classifier: how it is built, how its images are prepared, where it comes from."""

    build: Callable[[], nn.Module]
    images: ImagePreprocess
    architecture: str
    notes: Mapping[str, str]


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """An encoder with an image and a text tower in the space of the text encoder.

    Raises UnknownNameError, and EncoderError when a package is not installed.
    """
    spec.only("k", "length", *preprocess.OPTIONS)
    image, plus, text = spec.target.partition("+")
    if not plus:
        raise UsageError(f"encoder {spec.text!r}: write IMAGE+TEXT, for example joined:lite0+minilm.")
    for kind, name, known in (("image part", image, IMAGES), ("text part", text, TEXTS)):
        if name not in known:
            raise UnknownNameError(f"{kind} of a joined encoder", name, known, f"(in the encoder {spec.text!r})")
    classifier, tower = IMAGES[image](), TEXTS[text](spec)
    towers = {"image": _image_tower(spec, classifier, tower), "text": tower}
    notes = {f"image {key}": value for key, value in classifier.notes.items()}
    notes |= {f"text {key}": value for key, value in TEXT_NOTES[text]().items()}
    return Encoder(name=spec.name, towers=towers, notes=notes)
