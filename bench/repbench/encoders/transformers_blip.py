"""BLIP of transformers (Li et al. 2022): the retrieval model has two towers and a matching head, the captioner a likelihood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from repbench.encoder import PairScorer, Tower
from repbench.encoders import preprocess
from repbench.encoders.fingerprint import fingerprint_module, make_tower
from repbench.encoders.spec import Spec
from repbench.encoders.transformers_loading import Loaded, fetch_part
from repbench.encoders.transformers_vision import PaddedTokens, Vision, preparation

LENGTH = 64  # tokens of a text: BLIP's own evaluation cuts at 35


def parts(loaded: Loaded, spec: Spec) -> tuple[dict[str, Tower], dict[str, PairScorer]]:
    """Towers and scorers: image, text and "itm" of the retrieval model; image and "lm" of the captioner."""
    spec.only(*preprocess.OPTIONS)
    prepare, words = preparation(loaded, spec)
    tokenizer = fetch_part(loaded, spec, AutoTokenizer.from_pretrained)
    length = min(LENGTH, int(loaded.config.text_config.max_position_embeddings))
    texts, text_words = PaddedTokens(tokenizer, length), f"tokens of {type(tokenizer).__name__}, length {length}"
    about = {"architecture": loaded.architecture}
    if loaded.kind == "blip-lm":
        vision = Vision(loaded.model.vision_model, None, None, 0)  # type: ignore[arg-type]
        towers = {"image": make_tower(vision, prepare, preprocessing=words, features="the vision model's pooling", **about)}
        name, meaning = "lm", "log-probability of the text, given the image"
    else:
        image, text = Projected(loaded.model, "image"), Projected(loaded.model, "text")
        towers = {
            "image": make_tower(image, prepare, preprocessing=words, features="projected embedding", **about),
            "text": make_tower(
                text, texts, preprocessing=text_words, features="projected embedding", example="a photo of a cat", **about
            ),
        }
        name, meaning = "itm", "log-odds of matching"
    module: nn.Module = Likelihood(loaded.model) if name == "lm" else Matching(loaded.model)
    module = module.eval().requires_grad_(False)
    fingerprint = fingerprint_module(module, name, loaded.architecture, words, text_words)
    scorer = PairScorer(prepare={"image": prepare, "text": texts}, module=module, fingerprint=fingerprint, words=meaning)
    return towers, {name: scorer}


class Projected(nn.Module):
    """One side of the retrieval model, "image" or "text": the projected class token, not normalised."""

    def __init__(self, model: nn.Module, side: str) -> None:
        super().__init__()
        whole: Any = model
        self.side = side
        self.network: nn.Module = whole.vision_model if side == "image" else whole.text_encoder
        self.projection: nn.Module = whole.vision_proj if side == "image" else whole.text_proj

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim) of pixels, or of token numbers and masks (n, 2, length)."""
        if self.side == "image":
            found = self.network(pixel_values=inputs)
        else:
            found = self.network(input_ids=inputs[:, 0], attention_mask=inputs[:, 1])
        embeddings: Tensor = self.projection(found.last_hidden_state[:, 0])
        return embeddings


class Matching(nn.Module):
    """The matching head of the retrieval model. Texts begin with the class token, as the library feeds them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """Log-odds (n,) of images and token rows (n, 2, length) belonging together."""
        model: Any = self.model
        seen = model.vision_model(pixel_values=images).last_hidden_state
        read = model.text_encoder(
            input_ids=texts[:, 0],
            attention_mask=texts[:, 1],
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
        )
        logits: Tensor = model.itm_head(read.last_hidden_state[:, 0])
        return logits[:, 1] - logits[:, 0]


class Likelihood(nn.Module):
    """The captioner: the sum of the log-probabilities of a text's tokens, after the token that begins captions."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """log p(text | image), (n,), of images and token rows (n, 2, length); padding counts nothing."""
        model: Any = self.model
        tokens, mask = texts[:, 0].clone(), texts[:, 1]
        tokens[:, 0] = model.config.text_config.bos_token_id  # in place of the class token
        seen = model.vision_model(pixel_values=images).last_hidden_state
        logits = model.text_decoder(
            input_ids=tokens,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
        ).logits
        logs = logits[:, :-1].float().log_softmax(dim=-1)
        scores: Tensor = (logs.gather(2, tokens[:, 1:].unsqueeze(2))[:, :, 0] * mask[:, 1:]).sum(dim=1)
        return scores
