"""Which pretrained towers a training run may lock, and a file that it wrote may name."""

from __future__ import annotations

from repbench.encoders.spec import parse_spec
from repbench.errors import EncoderError

LOCKABLE = ("packaged", "timm", "torchvision", "open_clip")  # their specs name published weights and run no code of a file


def check_lockable(text: str) -> None:
    """Raise EncoderError for a spec of another source: a user's function, a program, a file of weights."""
    source = parse_spec(text).source
    if source not in LOCKABLE:
        raise EncoderError(f"the tower {text!r} cannot be locked; it can come from {', '.join(LOCKABLE)}.")
