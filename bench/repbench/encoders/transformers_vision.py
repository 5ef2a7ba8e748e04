"""Image towers, and pairs of an image and a text tower, of models of transformers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoTokenizer

from repbench.digests import digest_json
from repbench.encoder import Tower
from repbench.encoders import features, preprocess
from repbench.encoders.features import POOLS, pool_output, select_features
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.preprocess import ImagePreprocess, override, triple
from repbench.encoders.spec import Spec
from repbench.encoders.transformers_loading import Loaded, fetch_part, whole_number
from repbench.errors import EncoderError, UnknownNameError, UsageError

OPTIONS = (*features.OPTIONS, *preprocess.OPTIONS)
FEATURES = ("projection", "backbone")
TEXT_PARTS = ("text_model", "text_projection")
IMAGE_PARTS = ("vision_model", "visual_projection")


def tower(loaded: Loaded, spec: Spec) -> Tower:
    """The image tower of a vision model.

    The default feature is the one that the model pools itself, where that involves no untrained layer, else its class token.
    """
    spec.only(*OPTIONS)
    prepare, words = preparation(loaded, spec)
    layer, pool = spec.options.get("layer"), spec.options.get("pool")
    if layer is not None and not layer.lstrip("-").isdigit():
        named = select_features(loaded.model, layer=layer, pool=pool, prefix_tokens=_prefix_tokens(loaded))
        return _tower(loaded, named, prepare, words, named.words)
    if pool is not None and pool not in POOLS:
        raise UnknownNameError("pooling", pool, POOLS)
    index = None if layer is None else _state_index(loaded, layer)
    module = Vision(loaded.model, index, pool, _prefix_tokens(loaded))
    return _tower(loaded, module, prepare, words, module.words)


def paired_towers(loaded: Loaded, spec: Spec) -> dict[str, Tower]:
    """The towers of a contrastive model, projected and not normalised; the image tower alone for `features=backbone`."""
    spec.only(*preprocess.OPTIONS, "features")
    wanted = spec.options.get("features", "projection")
    if wanted not in FEATURES:
        raise UnknownNameError("choice of features", wanted, FEATURES)
    prepare, words = preparation(loaded, spec)
    if wanted == "backbone":
        vision = getattr(loaded.model, "vision_model", None)
        if vision is None:
            raise EncoderError(f"{spec.text!r}: this model has no part 'vision_model' to take a feature of.")
        module = Vision(vision, None, None, 0)
        return {"image": _tower(loaded, module, prepare, words, "pooled feature before the projection")}
    image = _tower(loaded, Projected(loaded.model, "image"), prepare, words, "projected embedding")
    return {"image": image, "text": _text_tower(loaded, spec)}


class Vision(nn.Module):
    """A vision model that returns one vector an image: its own pooling, or the pooled tokens of a hidden state."""

    def __init__(self, model: nn.Module, index: int | None, pool: str | None, prefix_tokens: int) -> None:
        super().__init__()
        self.model = model
        self.index = index
        self.pool = pool
        self.prefix_tokens = prefix_tokens
        config: Any = model.config
        self.masks = config.model_type == "vit_mae"  # shuffles its patches by noise, and drops three quarters of them
        if self.masks:
            config.mask_ratio = 0.0

    @property
    def words(self) -> str:
        """The choice in words, for the record and the fingerprint."""
        place = "last hidden state" if self.index is None else f"hidden state {self.index}"
        own = "the model's own pooling" if self.index is None else "class token, else average"
        return f"{place}, pooling {self.pool or own}"

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        output = self.model(images, output_hidden_states=self.index is not None, **self._fixed_noise(images))
        if self.index is not None:
            return pool_output(output.hidden_states[self.index], self.pool, self.prefix_tokens)
        pooled = getattr(output, "pooler_output", None)
        if self.pool is None and pooled is not None:
            return pool_output(pooled)
        return pool_output(output.last_hidden_state, self.pool, self.prefix_tokens)

    def _fixed_noise(self, images: Tensor) -> dict[str, Tensor]:
        if not self.masks:
            return {}
        patch: int = self.model.config.patch_size  # type: ignore[union-attr, assignment]
        patches = (images.shape[2] // patch) * (images.shape[3] // patch)
        return {"noise": torch.linspace(0, 1, patches, device=images.device).expand(len(images), -1)}


class Projected(nn.Module):
    """One side of a contrastive model, "image" or "text"; it shares the model's tensors and holds nothing of the other side."""

    def __init__(self, model: nn.Module, side: str) -> None:
        super().__init__()
        unused = (*(TEXT_PARTS if side == "image" else IMAGE_PARTS), "logit_scale", "logit_bias")
        part = copy.copy(model)
        part._modules = {key: value for key, value in model._modules.items() if key not in unused}
        part._parameters = {key: value for key, value in model._parameters.items() if key not in unused}
        self.model = part
        self.side = side

    def forward(self, inputs: Tensor) -> Tensor:
        """Projected embeddings (n, dim), not normalised."""
        model: Any = self.model
        if self.side == "image":
            return _vector(model.get_image_features(pixel_values=inputs))
        tokens, mask = inputs[:, 0], inputs[:, 1]
        return _vector(model.get_text_features(input_ids=tokens, attention_mask=mask))


@dataclass(frozen=True)
class ProcessorImages:
    """A model's own image processor as a picklable preparation."""

    processor: Any

    def __call__(self, image: Image.Image) -> Tensor:
        """The network's input for one image."""
        pixels: Tensor = self.processor(images=image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return pixels


@dataclass(frozen=True)
class PaddedTokens:
    """A picklable preparation of texts: (2, length) token numbers and attention mask, padded to one length."""

    tokenizer: Any
    length: int

    def __call__(self, text: str) -> Tensor:
        """The network's input for one text."""
        found = self.tokenizer(text, padding="max_length", truncation=True, max_length=self.length, return_tensors="pt")
        tokens: Tensor = found["input_ids"][0]
        mask = found["attention_mask"][0] if "attention_mask" in found else torch.ones_like(tokens)
        return torch.stack((tokens, mask))


def _tower(loaded: Loaded, module: nn.Module, prepare: Callable[[Any], Tensor], words: str, chosen: str) -> Tower:
    return make_tower(module, prepare, preprocessing=words, features=chosen, architecture=loaded.architecture)


def _text_tower(loaded: Loaded, spec: Spec) -> Tower:
    tokenizer = fetch_part(loaded, spec, AutoTokenizer.from_pretrained)
    length = int(loaded.config.text_config.max_position_embeddings)
    return make_tower(
        Projected(loaded.model, "text"),
        PaddedTokens(tokenizer, length),
        preprocessing=f"tokens of {type(tokenizer).__name__}, length {length}",
        features="projected embedding",
        architecture=loaded.architecture,
        example="a photo of a cat",
    )


def preparation(loaded: Loaded, spec: Spec) -> tuple[Callable[[Any], Tensor], str]:
    """The model's own processor, or, with any option about images, our preparation with its mean and deviation."""
    processor = fetch_part(loaded, spec, AutoImageProcessor.from_pretrained)
    if not any(option in spec.options for option in preprocess.OPTIONS):
        facts = {key: value for key, value in processor.to_dict().items() if value is not None}
        shown = " ".join(
            f"{key}={facts[key]}" for key in ("size", "crop_size", "resample", "image_mean", "image_std") if key in facts
        )
        return ProcessorImages(processor), f"{type(processor).__name__} {shown} (settings {digest_json(facts)[:8]})"
    size = _size(processor)
    ours = ImagePreprocess(size=size, resize=size, mean=triple(processor.image_mean), std=triple(processor.image_std))
    prepare = override(ours, spec.options)
    return prepare, prepare.words


def _size(processor: Any) -> int:
    for value in (getattr(processor, "crop_size", None), processor.size):
        if value:
            return int(next(number for number in dict(value).values() if number))
    raise UsageError("the model's processor names no size; give size=PIXELS.")


def _prefix_tokens(loaded: Loaded) -> int:
    """Class token, distillation token and registers that stand before the patches."""
    names = [name.rsplit(".", 1)[-1] for name, _ in loaded.model.named_parameters()]
    own = sum(name in names for name in ("cls_token", "class_embedding", "distillation_token"))
    return own + int(getattr(loaded.config, "num_register_tokens", 0) or 0)


def _state_index(loaded: Loaded, layer: str) -> int:
    index = whole_number("layer", layer)
    count = getattr(loaded.config, "num_hidden_layers", None) or len(getattr(loaded.config, "depths", ()) or ())
    if count and not -count - 1 <= index <= count:
        raise UsageError(f"layer={layer}: the hidden states are numbered 0 (the input of the first block) to {count}.")
    return index


def _vector(output: Any) -> Tensor:
    """The embedding itself in transformers 4, an output that holds it as its pooled vector in 5."""
    vector: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return vector
