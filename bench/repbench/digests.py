"""Digests: the one way in which repbench says that two things are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

LENGTH = 32  # hexadecimal digits kept of a SHA-256: 128 bits, far beyond any accidental collision


def digest_bytes(data: bytes | memoryview) -> str:
    """Hexadecimal digest (32 digits) of bytes."""
    return hashlib.sha256(data).hexdigest()[:LENGTH]


def digest_text(*parts: str) -> str:
    """Digest of an ordered list of texts; the boundaries between them count."""
    return digest_iterable(part.encode() for part in parts)


def digest_json(value: Any) -> str:
    """Digest of a JSON-like value (mappings, sequences, numbers, text); the order of keys does not count.

    Raises TypeError for values that JSON has no form for, so that nothing is digested by its memory address.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return digest_bytes(text.encode())


def digest_iterable(blocks: Iterable[bytes]) -> str:
    """Digest of an ordered sequence of byte blocks; the boundaries between them count."""
    total = hashlib.sha256()
    for block in blocks:
        total.update(len(block).to_bytes(8, "little"))
        total.update(block)
    return total.hexdigest()[:LENGTH]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise TypeError(f"cannot digest a value of type {type(value).__name__}")
