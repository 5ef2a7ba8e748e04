"""The probe `emoji-pairs`: two pictures and two captions of the same words in another order (Winoground's form)."""

from __future__ import annotations

from pathlib import Path
from random import Random

from packs.common import About, write_pack
from packs.emoji_shelf import emoji_shelf
from packs.scenes import COLOURS, LEFT, RELATIONS, RIGHT, Shelf, Thing, about, article, by_column, draw, on_paper

EXAMPLES = {"test": 60, "val": 30}  # of each kind
KINDS = ("beside", "over", "colour", "size")
LARGE, SMALL = ((8, 32), 80), ((96, 52), 40)  # corner and side of the larger and the smaller thing, which lies on the right

ABOUT = about(
    "Emoji composed into pairs of pictures with captions of the same words in another order",
    "emoji",
    "Two things with everyday names are laid on a white page of 144 x 144 pixels, each in a drawing style drawn at random, the "
    "same in both pictures. The second picture and the second caption swap the places of the things (beside: left and right; "
    "over: above and below), their colours or their sizes. Both captions have the same words. A third of the words of each "
    "group, those with the smallest SHA-256, are of the split val alone. All draws are Python's random.Random of a text.",
    {
        "id": "kind, split and number",
        "image_0": "recipe of the first picture (see datasets/composing.py)",
        "image_1": "recipe of the second picture",
        "caption_0": "true of the first picture alone",
        "caption_1": "true of the second picture alone",
        "kind": "what is swapped: 'beside', 'over', 'colour' or 'size'",
        "split": "'test' or 'val': they share no thing",
    },
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `emoji-pairs.parquet` into `folder`; nothing is fetched, the pictures are those of the pack `emoji`."""
    return write_pairs("emoji-pairs", emoji_shelf(), ABOUT, folder)


def write_pairs(name: str, shelf: Shelf, about: About, folder: Path) -> Path:
    """Write a probe of pairs on the things of a shelf."""
    rows: list[dict[str, str]] = []
    seen: set[str] = set()
    for split, count in EXAMPLES.items():
        for kind in KINDS:
            number = made = 0
            while made < count:
                random = draw(name, split, kind, number)
                number += 1
                row = _row(kind, shelf.things(split, 2, random), random)
                if seen.isdisjoint({row["caption_0"], row["caption_1"]}):
                    seen |= {row["caption_0"], row["caption_1"]}
                    rows.append({"id": f"{kind}-{split}-{made}", **row, "kind": kind, "split": split})
                    made += 1
    return write_pack(name, by_column(rows, about.columns), about, folder)


def _row(kind: str, pair: list[Thing], random: Random) -> dict[str, str]:
    first, second = pair
    if kind in ("beside", "over"):
        relation = random.choice(sorted(RELATIONS)[:2] if kind == "over" else sorted(RELATIONS)[2:])
        here, there = RELATIONS[relation]
        sides = [
            (f"{article(a.noun)} {relation} {article(b.noun)}", on_paper(a.at(here), b.at(there)))
            for a, b in ((first, second), (second, first))
        ]
    elif kind == "colour":
        colours = random.sample(sorted(COLOURS), 2)
        sides = [
            (f"{article(f'{a} {first.noun}')} and {article(f'{b} {second.noun}')}",
             on_paper(first.at(LEFT, colour=a), second.at(RIGHT, colour=b)))
            for a, b in (colours, colours[::-1])
        ]  # fmt: skip
    else:
        sides = [
            (f"a large {a.noun} and a small {b.noun}", on_paper(a.at(LARGE[0], side=LARGE[1]), b.at(SMALL[0], side=SMALL[1])))
            for a, b in ((first, second), (second, first))
        ]
    (caption_0, image_0), (caption_1, image_1) = sides
    return {"image_0": image_0, "image_1": image_1, "caption_0": caption_0, "caption_1": caption_1}
