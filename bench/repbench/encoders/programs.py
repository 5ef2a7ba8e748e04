"""What files of whole programs (ONNX, torch.export) have in common: checks before loading, sizes, fixed batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from repbench.encoders.preprocess import ImagePreprocess, override
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError, UsageError

DEFAULT_SIZE = 224  # pixels, where the program takes any


def check_file(path: Path, kind: str) -> None:
    """Raise EncoderError when there is no readable file with something in it. `kind` says what it should be."""
    if path.is_dir():
        found = sorted(file.name for file in path.glob(f"*{path.suffix or '.*'}") if file.is_file())
        raise EncoderError(f"{path} is a folder, and {kind} is a file.{f' It holds {found[0]}.' if found else ''}")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise EncoderError(f"there is no file {path} (looked from {Path.cwd()}).") from None
    except OSError as error:
        raise EncoderError(f"{path} cannot be read: {error.strerror}.") from error
    if empty:
        raise EncoderError(f"{path} is empty (0 bytes); copy or download it again.")


def damaged(path: Path, kind: str, detail: str) -> EncoderError:
    """The error for a file that is not what its ending says, or was cut off."""
    size = path.stat().st_size
    return EncoderError(
        f"{path} is not {kind}, or it is damaged or was not copied to its end ({size:,} bytes; {first_line(detail)}). "
        "Compare its size with the original and export or copy it again."
    )


def first_line(text: str) -> str:
    """The first line of a message, at most 200 characters, without its full stop."""
    lines = text.strip().splitlines()
    return lines[0][:200].rstrip(". ") if lines else "no reason given"


def preparation(spec: Spec, shape: Sequence[object]) -> ImagePreprocess:
    """How images are prepared for an input of that shape (n, 3, height, width); what is no int is free.

    Raises EncoderError for an input that is no square RGB image, and UsageError for a size= that the program refuses.
    """
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
        words = ", ".join(str(axis) if isinstance(axis, int) else "any" for axis in shape)
        raise EncoderError(
            f"{spec.target} reads an input of shape ({words}); images come as (n, 3, height, width). Export it for such inputs."
        )
    sides = [side for side in shape[2:] if isinstance(side, int)]
    if len(set(sides)) > 1:
        raise EncoderError(f"{spec.target} reads images of {sides[0]} x {sides[1]} pixels; repbench prepares square ones.")
    size = sides[0] if sides else DEFAULT_SIZE
    prepare = override(ImagePreprocess(size=size, resize=size), spec.options)
    if sides and prepare.size != size:
        raise UsageError(f"encoder {spec.text!r}: the program reads images of {size} pixels only; leave size= out.")
    return prepare


def in_blocks(run: Callable[[Tensor], Tensor], inputs: Tensor, least: int, most: int | None) -> Tensor:
    """The outputs of a program that takes from `least` to `most` inputs at once; short blocks repeat their last input.

    Raises EncoderError when an output has not one row for each input.
    """
    outputs = []
    for block in torch.split(inputs, most or len(inputs)):
        lacking = max(0, least - len(block))
        filled = torch.cat([block, block[-1:].expand(lacking, *block.shape[1:])]) if lacking else block
        output = run(filled)
        if output.ndim == 0 or len(output) != len(filled):
            raise EncoderError(
                f"the program maps {len(filled)} images to an output of shape {tuple(output.shape)}; an encoder returns one "
                f"row for each, here ({len(filled)}, dim)."
            )
        outputs.append(output[: len(block)])
    return torch.cat(outputs)
