"""What the first bytes of an encoded image tell without decoding it: whether pixels were thrown away, and its size."""

from __future__ import annotations

import io
import struct

JPEG = b"\xff\xd8\xff"
EXTENDED = (b"VP8X", b"ALPH", b"ICCP", b"ANIM")  # chunks of WebP that may stand before that of the pixels


def lossy_format(data: bytes) -> str:
    """How pixels were thrown away: "JPEG", "lossy WebP", or "" for another format.

    WebP holds pixels as VP8 (lossy) or VP8L, after further chunks or in the frames of an animation (RFC 9649, section 2).
    """
    if data.startswith(JPEG):
        return "JPEG"
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return ""
    at = 12
    while data[at : at + 4] in EXTENDED and at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        at += 8 + size + size % 2
    kind = data[at + 24 : at + 28] if data[at : at + 4] == b"ANMF" else data[at : at + 4]  # of an animation the first frame
    return "lossy WebP" if kind == b"VP8 " else ""


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, as the header of the file says; None where it cannot be read."""
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data)).size
    except Exception:  # whatever PIL raises of a damaged file is told when it is decoded
        return None
