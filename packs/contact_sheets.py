"""Draws one contact sheet a pack of pictures, to be looked at: `python packs/contact_sheets.py FOLDER [NAME...]`."""

from __future__ import annotations

import argparse
import io
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the builders are imported as `packs.NAME`

from packs.common import PACK_FOLDER

CAPTION = {"digits": "digit", "fashion": "item", "emoji": "subcategory", "furniture": "class"}  # pack -> column of classes
CELL = 64  # pixels of a picture on the sheet
GAP = 6
WORDS = 190  # pixels of a caption
PER_CLASS = 12


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("folder", type=Path, help="where the sheets go, as NAME.png")
    parser.add_argument("names", nargs="*", metavar="NAME", help="packs (default: all packs of pictures that are built)")
    parser.add_argument("--by", metavar="COLUMN", help="the column whose values are the rows (default: the classes)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other examples")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.names or CAPTION:
        path = PACK_FOLDER / f"{name}.parquet"
        if not path.is_file() and not options.names:
            print(f"{name}: not built, so no sheet")
            continue
        target = options.folder / f"{name}.png"
        sheet(pq.read_table(path).to_pylist(), options.by or CAPTION[name], options.seed).save(target)
        print(target)


def sheet(rows: list[dict[str, Any]], column: str, seed: int = 0) -> Image.Image:
    """A line a value of `column`, with random examples of it and their count; enlarged without smoothing."""
    classes = defaultdict(list)
    for row in rows:
        if row[column] != "":
            classes[str(row[column])].append(row["image"])
    draw = random.Random(seed)
    page = Image.new("RGB", (WORDS + PER_CLASS * (CELL + GAP), len(classes) * (CELL + GAP)), "white")
    pen = ImageDraw.Draw(page)
    for line, (label, pictures) in enumerate(classes.items()):
        pen.text((4, line * (CELL + GAP) + CELL // 2 - 6), f"{label} ({len(pictures)})", fill="black")
        for place, encoded in enumerate(draw.sample(pictures, min(PER_CLASS, len(pictures)))):
            picture = Image.open(io.BytesIO(encoded)).convert("RGB").resize((CELL, CELL), Image.Resampling.NEAREST)
            page.paste(picture, (WORDS + place * (CELL + GAP), line * (CELL + GAP)))
    return page


if __name__ == "__main__":
    main()
