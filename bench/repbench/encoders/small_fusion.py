"""A small text transformer that reads a text alone, looks at an image while it reads, or writes what it sees (BLIP's MED)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.encoders.small_text import PAD, WORDS


class FusionBlock(nn.Module):
    """Self-attention, attention to image tokens where there are some, and a feed-forward layer; each after a layer norm."""

    def __init__(self, width: int, image_width: int, heads: int = 4) -> None:
        super().__init__()
        self.alone, self.across = (
            nn.MultiheadAttention(width, heads, batch_first=True),
            nn.MultiheadAttention(width, heads, batch_first=True, kdim=image_width, vdim=image_width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.forwards = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, padding: Tensor, seen: Tensor | None, causal: Tensor | None) -> Tensor:
        """Tokens (n, t, width); `seen` is image tokens (n, p, image width)."""
        y = self.norms[0](x)
        x = x + self.alone(y, y, y, key_padding_mask=padding, attn_mask=causal, need_weights=False)[0]
        if seen is not None:
            x = x + self.across(self.norms[1](x), seen, seen, need_weights=False)[0]
        out: Tensor = x + self.forwards(self.norms[2](x))
        return out


class FusionText(nn.Module):
    """Shared layers for three uses: `forward` embeds a text, `match` judges it with an image, `write` predicts its words.

    Of a convolutional map, whose pixels do not say where they lie, each of its `image_places` gets a learnt vector before it is
    looked at (as in Carion et al. 2020, section 3.2); the tokens of a transformer carry theirs (0).
    """

    def __init__(self, image_width: int, image_places: int = 0, *, width: int = 128, depth: int = 2, length: int = 16) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(WORDS, width, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.uses = nn.Parameter(torch.randn(3, width) * 0.3)  # which of the three uses: added to the START token
        self.places = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.ModuleList(FusionBlock(width, image_width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.judge = nn.Linear(width, 2)
        self.image_places = nn.Parameter(torch.randn(image_places, image_width) * 0.3) if image_places else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Features (n, width): the mean over tokens (n, length) that are no padding."""
        there = (tokens != PAD).unsqueeze(2).to(self.places.dtype)
        return (self._run(tokens, 0, None, None) * there).sum(1) / there.sum(1)

    def match(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Logits (n, 2) of "another image's text" and "this image's"."""
        logits: Tensor = self.judge(self._run(tokens, 1, seen, None)[:, 0])
        return logits

    def write(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Logits (n, length, words) of the token that follows each token, given the image and those before it."""
        length = tokens.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        logits: Tensor = self._run(tokens, 2, seen, causal) @ self.embedding.weight.T / math.sqrt(self.width)
        return logits

    def log_likelihood(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Mean log-probability (n,) of each text's words, given the image."""
        logs = functional.log_softmax(self.write(tokens, seen)[:, :-1].float(), dim=2)
        follows = tokens[:, 1:]
        there = (follows != PAD).to(logs.dtype)
        return (logs.gather(2, follows.unsqueeze(2))[:, :, 0] * there).sum(1) / there.sum(1).clamp(min=1)

    def _run(self, tokens: Tensor, use: int, seen: Tensor | None, causal: Tensor | None) -> Tensor:
        padding = tokens == PAD
        x = self.embedding(tokens) + self.places
        x = torch.cat([x[:, :1] + self.uses[use], x[:, 1:]], 1)
        if seen is not None and self.image_places is not None:
            seen = seen + self.image_places
        for block in self.blocks:
            x = block(x, padding, seen, causal)
        out: Tensor = self.norm(x)
        return out


def tokens_of(network: nn.Module, images: Tensor) -> Tensor:
    """The last map or tokens (n, places, width) of a network that has `forward_features`, as timm's do."""
    features: Tensor = network.forward_features(images)  # type: ignore[operator]
    return features if features.ndim == 3 else features.flatten(2).transpose(1, 2)


def map_places(network: nn.Module, size: int) -> int:
    """How many places the last map of a convolutional network has at `size` pixels; 0 for a network of tokens."""
    was = network.training
    with torch.no_grad():
        features: Tensor = network.eval().forward_features(torch.zeros(1, 3, size, size))  # type: ignore[operator]
    network.train(was)
    return features[0, 0].numel() if features.ndim == 4 else 0


class FusionScorer(nn.Module):
    """Scores (n,) of images and token rows: "itm" the log-odds of matching, "lm" the words' mean log-probability."""

    def __init__(self, kind: str, network: nn.Module, text: FusionText) -> None:
        super().__init__()
        self.kind, self.network, self.text = kind, network, text

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Scores of prepared pairs."""
        seen = tokens_of(self.network, images)
        if self.kind == "lm":
            return self.text.log_likelihood(tokens, seen)
        logits = self.text.match(tokens, seen)
        return logits[:, 1] - logits[:, 0]
