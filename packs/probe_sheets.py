"""Draws one contact sheet a composed probe, to be looked at: `python packs/probe_sheets.py FOLDER [NAME...]`."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as the builders

from repbench.datasets.dataset import Split
from repbench.datasets.open import open_dataset
from repbench.tasks import load_catalogue

NAMES = ("emoji-captions", "emoji-pairs", "furniture-scenes", "stamps-captions", "stamps-pairs")
PICTURE, GAP, LINE, EACH = 144, 8, 14, 4  # pixels of a picture, between two, of a line of text; examples a kind
FONT = ImageFont.load_default(11)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("folder", type=Path, help="where the sheets go, as NAME.png")
    parser.add_argument("names", nargs="*", metavar="NAME", help="probes (default: all)")
    parser.add_argument("--split", default="test", help="test or val")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names or NAMES:
        target = options.folder / f"{name}.png"
        split = open_dataset(load_catalogue().dataset(name)).splits[options.split]
        sheet(split).quantize(128).save(target, optimize=True)
        print(target)


def sheet(split: Split) -> Image.Image:
    """A line a kind, with its first examples: the pictures, the captions below them, the true one in black."""
    images = [name for name, items in split.media.items() if items.modality == "image"]
    captions = [name for name, items in split.media.items() if items.modality == "text"]
    kinds = list(dict.fromkeys(split.columns["kind"].tolist()))
    width = len(images) * (PICTURE + GAP)
    height = PICTURE + LINE * (2 * len(captions) + 2) + 2 * GAP
    page = Image.new("RGB", (EACH * width, len(kinds) * (height + LINE)), "white")
    pen = ImageDraw.Draw(page)
    for row, kind in enumerate(kinds):
        top = row * (height + LINE)
        pen.text((2, top), str(kind), fill="#0050a0", font=FONT)
        for column, place in enumerate(np.flatnonzero(split.columns["kind"] == kind)[:EACH].tolist()):
            left = column * width
            for number, name in enumerate(images):
                page.paste(split.media[name].load(place), (left + number * (PICTURE + GAP), top + LINE))
            below = top + LINE + PICTURE + 2
            for number, name in enumerate(captions):
                text = textwrap.fill(split.media[name].load(place), 24 * len(images))
                pen.multiline_text((left + 2, below), text, fill="black" if number == 0 else "#b00020", font=FONT, spacing=1)
                below += LINE * (text.count("\n") + 1)
    return page


if __name__ == "__main__":
    main()
