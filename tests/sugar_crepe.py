"""A small copy of SugarCrepe's layout, and the declaration of a probe that reads it: `small.toml` and `data/` of a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

KINDS = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
TOML = """
title = "Small"
cluster = "filename"
[columns]
image_0 = "image"
caption_0 = "text"
caption_1 = "text"
[probe]
rule = "one-image-many-captions"
subset = "kind"
{probe}
[splits]
test = 42
[sources.annotations]
layout = "sugarcrepe"
path = "sugar-crepe"
images = "val2017"
"""

Rows = list[tuple[str, str, str]]  # name of the image, caption, negative caption


def write_small(root: Path, reds: Mapping[str, int], rows: Callable[[int, str], Rows], probe: str = "") -> Path:
    """Write the copy and return its folder. `reds`: image -> how red it is; `rows` of a kind, by its number and name."""
    (root / "small.toml").write_text(TOML.format(probe=probe))
    for folder in ("data/val2017", "data/sugar-crepe"):
        (root / folder).mkdir(parents=True)
    for name, red in reds.items():
        Image.new("RGB", (8, 8), (red, 0, 0)).save(root / f"data/val2017/{name}.png")
    for number, kind in enumerate(KINDS):
        table = {
            str(k): {"filename": f"{name}.png", "caption": true, "negative_caption": false}
            for k, (name, true, false) in enumerate(rows(number, kind))
        }
        (root / f"data/sugar-crepe/{kind}.json").write_text(json.dumps(table))
    return root
