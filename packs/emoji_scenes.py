"""The training set `emoji-scenes`: pages and captions of the forms of the probe `emoji-captions`, none of them in a probe."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from packs.common import PACK_FOLDER, write_pack
from packs.emoji_captions import KINDS
from packs.emoji_shelf import emoji_shelf
from packs.scenes import about, by_column, draw

NAME = "emoji-scenes"
PROBES = ("emoji-captions", "emoji-pairs")  # whose pages and captions are left out
PAIRS = 350  # of each kind; two scenes a pair
SPLITS = ("test", "test", "val")  # of the probes: two thirds of the pairs show things of the one, a third of the other

ABOUT = about(
    "Emoji composed into pictures with captions, to train on",
    "emoji",
    "Pages as those of emoji-captions, of the same things, colours, relations and seven kinds, each with a caption that is "
    "true of it, two a pair: what is true of one is not true of the other. No page and no caption, true or not, is one of "
    "emoji-captions or emoji-pairs: a network that was trained on these scenes has seen the things and words of the probes, "
    "and none of their scenes. Two of three pairs show things of the probes' split test, the others of val. All draws are "
    "Python's random.Random of a text.",
    {
        "id": "kind, number of the pair, and a or b",
        "image": "recipe of the picture (see datasets/composing.py)",
        "caption": "true of the picture",
        "kind": "which kind of emoji-captions made it",
        "pair": "the two scenes of a pair: each has the hard negative of the other",
        "split": "'train'",
    },
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `emoji-scenes.parquet` into `folder`; the pictures are those of the pack `emoji`, and the probes must be built."""
    shelf, seen = emoji_shelf(), _of_probes()
    rows = []
    for kind, make in KINDS.items():
        made = number = 0
        while made < PAIRS:
            random = draw(NAME, kind, number)
            number += 1
            scenes = make(SPLITS[made % 3], random, shelf)
            if seen.isdisjoint(scenes[0] + scenes[1]):
                seen.update(scenes[0] + scenes[1])
                for side, (caption, picture) in zip("ab", scenes, strict=True):
                    shared = {"kind": kind, "pair": f"{kind}-{made}", "split": "train"}
                    rows.append({"id": f"{kind}-{made}-{side}", "image": picture, "caption": caption, **shared})
                made += 1
    return write_pack(NAME, by_column(rows, ABOUT.columns), ABOUT, folder)


def _of_probes() -> set[str]:
    """All pages and captions of the probes."""
    found: set[str] = set()
    for probe in PROBES:
        table = pq.read_table(PACK_FOLDER / f"{probe}.parquet")
        for column in table.column_names:
            if column.startswith(("image", "caption")):
                found.update(table.column(column).to_pylist())
    return found
