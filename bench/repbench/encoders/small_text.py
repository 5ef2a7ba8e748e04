"""A small text tower for names and short captions: words by their hashes, two transformer blocks, the mean of the tokens."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PAD, START, WORDS = 0, 1, 4096  # words take the numbers 2 to 4095; two words of one hash are one word to this tower
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class WordHashes:
    """A text as numbers int64 (length,): START, the hashes of its lower-case words, then PAD."""

    length: int = 16

    def __call__(self, text: str) -> Tensor:
        """The numbers; the same on every machine."""
        words = [2 + zlib.crc32(word.encode()) % (WORDS - 2) for word in _WORD.findall(text.lower())]
        kept = [START, *words][: self.length]
        return torch.tensor(kept + [PAD] * (self.length - len(kept)), dtype=torch.int64)

    @property
    def words(self) -> str:
        """The preparation in words."""
        return f"lower-case words by hash (CRC-32 into {WORDS}), at most {self.length} tokens"


class SmallText(nn.Module):
    """Tokens (n, length) to the mean (n, width) of the last layer over the tokens that are no padding."""

    def __init__(self, width: int = 128, depth: int = 2, length: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width, padding_idx=PAD)
        self.places = nn.Parameter(torch.randn(length, width) * 0.02)
        nn.init.normal_(self.embedding.weight, std=0.3)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def tokens(self, numbers: Tensor) -> Tensor:
        """The last layer (n, length, width)."""
        found: Tensor = self.norm(self.blocks(self.embedding(numbers) + self.places, src_key_padding_mask=numbers == PAD))
        return found

    def forward(self, numbers: Tensor) -> Tensor:
        """Features (n, width)."""
        there = (numbers != PAD).unsqueeze(2).to(self.places.dtype)
        return (self.tokens(numbers) * there).sum(1) / there.sum(1)
