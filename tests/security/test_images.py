"""What an image of each odd kind becomes, or why it is none: the table of docs/security.md, kind by kind."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from repbench.datasets.items import FileItems, decode_image
from repbench.errors import DataError


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def pixel(data: bytes) -> tuple[int, ...]:
    image = decode_image(data)
    assert image.mode == "RGB"
    return image.getpixel((0, 0))  # type: ignore[return-value]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG of one bit a pixel whose header says such a size, with whatever rows."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(Exception, match=r"decompression bomb|exceeds limit|[Ii]nvalid|too large"):
        decode_image(png_of(width, height))


@pytest.mark.parametrize(("width", "height"), [(100_000, 1), (1, 100_000), (201, 1), (1, 201)])
def test_sides_that_are_too_unlike_are_refused_before_anything_is_resized(width: int, height: int) -> None:
    with pytest.raises(ValueError, match=f"{width} x {height} pixels, are too unlike"):
        decode_image(encoded(Image.new("RGB", (width, height))))
    longest = decode_image(encoded(Image.new("RGB", (min(width, 200), min(height, 200)))))
    assert max(longest.size) == 200


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for kind in ("GIF", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        assert pixel(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)) == (255, 0, 0)


def test_sixteen_bits_are_scaled_and_unknown_scales_refused() -> None:
    for kind in ("PNG", "TIFF"):
        assert pixel(encoded(Image.fromarray(np.full((4, 4), 40_000, np.uint16)), kind)) == (156, 156, 156)
    for numbers in (np.full((4, 4), 40_000, np.int32), np.full((4, 4), 0.5, np.float32)):
        with pytest.raises(ValueError, match="scale is not known"):
            decode_image(encoded(Image.fromarray(numbers), "TIFF"))


def test_cmyk_palette_grey_and_bits_become_rgb() -> None:
    assert pixel(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100))[0] > 250
    assert pixel(encoded(Image.new("RGB", (4, 4), (9, 8, 7)).quantize(2))) == (9, 8, 7)
    assert pixel(encoded(Image.new("L", (4, 4), 77))) == (77, 77, 77)
    assert pixel(encoded(Image.new("1", (4, 4), 1))) == (255, 255, 255)


def test_the_exif_rotation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    assert decode_image(encoded(Image.new("RGB", (6, 4)), "JPEG", exif=exif)).size == (6, 4)


def test_transparent_pixels_lie_over_white() -> None:
    assert pixel(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))) == (255, 255, 255)
    assert pixel(encoded(Image.new("LA", (4, 4), (0, 128)))) == (127, 127, 127)
    palette = Image.new("RGB", (4, 4), (1, 2, 3)).quantize(2)
    assert pixel(encoded(palette, "PNG", transparency=palette.getpixel((0, 0)))) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PDF", "PCX", "TGA", "IM"])
def test_formats_that_no_dataset_needs_are_not_opened(kind: str) -> None:
    with pytest.raises(OSError, match="cannot identify"):  # PIL would start Ghostscript for EPS
        decode_image(encoded(Image.new("RGB", (32, 32)), kind))


def test_a_link_to_what_is_no_image_tells_nothing_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password: hunter2")
    (tmp_path / "a.png").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="cannot be decoded") as error:
        FileItems("image", [tmp_path / "a.png"]).load(0)
    assert "hunter2" not in str(error.value)


def test_a_sound_of_many_hours_is_refused_by_its_header(tmp_path: Path) -> None:
    data = io.BytesIO()
    soundfile.write(data, np.zeros(4096, np.float32), 16_000, format="FLAC")
    flac = bytearray(data.getvalue())
    flac[21] |= 0x0F  # the upper four of 36 bits that say how many samples there are
    (tmp_path / "a.flac").write_bytes(flac)
    with pytest.raises(DataError, match=r"samples in 1 channels are more than 300,000,000"):
        FileItems("audio", [tmp_path / "a.flac"]).load(0)
