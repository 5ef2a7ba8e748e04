"""The probe `furniture-scenes`: sets of four pictures of two rendered objects, and four captions, each true of one of them.

Relation: left, right, above, below. Attribute, size and counting: two values for each of two objects, all four combinations.
So each caption of a set is true once and false three times, and no text alone can tell (What'sUp's controlled design).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random

from packs.common import PACK_FOLDER, write_pack
from packs.scenes import CELL, COLOURS, LEFT, NUMBERS, RELATIONS, RIGHT, about, article, by_column, draw, held_out, ids_of, page
from repbench.datasets.composing import Part

SETS = {"test": 25, "val": 12}  # of each kind; four examples a set
KINDS = ("relation", "attribute", "size", "counting")
PAPER = "#ececec"  # what the renders lie on
HELD_OUT = 1 / 3  # of the classes, for val
NOUNS = {  # class -> what it is called alone and in numbers
    "armchair": ("armchair", "armchairs"), "bed": ("bed", "beds"), "bench": ("bench", "benches"),
    "bookcase": ("bookcase", "bookcases"), "cabinet": ("cabinet", "cabinets"), "car": ("car", "cars"),
    "chair": ("chair", "chairs"), "door": ("door", "doors"), "lamp": ("lamp", "lamps"),
    "lounger": ("deck chair", "deck chairs"), "person": ("person", "people"), "plant": ("potted plant", "potted plants"),
    "radiator": ("radiator", "radiators"), "sofa": ("sofa", "sofas"), "stool": ("stool", "stools"),
    "table": ("table", "tables"), "trash can": ("trash can", "trash cans"), "tree": ("tree", "trees"),
}  # fmt: skip
ALIKE = (
    {"armchair", "chair", "lounger", "sofa"},
    {"bench", "table", "stool"},
    {"stool", "chair"},
    {"bookcase", "cabinet"},
    {"plant", "tree"},
)
UNPAINTED = {"person"}  # nobody speaks of a green one
VIEWS = tuple((azimuth, elevation) for azimuth in (330, 30, 60) for elevation in (15, 40))  # from the front
SIZES = {"large": 68, "small": 36}
GRID, SMALL = tuple((column, row) for row in (6, 52, 98) for column in (6, 52, 98)), 42  # corners and side for counting

Thing = tuple[str, str]  # class and id of the picture

ABOUT = about(
    "Rendered furniture composed into sets of four pictures with four captions each",
    "furniture",
    "Two rendered objects of different classes are laid on a page of 144 x 144 pixels. The four pictures of a set differ in "
    "one respect: where the first lies to the second; the colour of each, of two; the size of each; how many there are of "
    "each, of two numbers. Colours are painted over the render. Each caption of a set is true of one picture of it. A third of "
    "the classes, those with the smallest SHA-256, are of the split val alone. All draws are Python's random.Random of a text.",
    {
        "id": "kind, split, number of the set and place in it",
        "image_0": "recipe of the picture (see datasets/composing.py)",
        "caption_0": "true of the picture",
        "caption_1": "not true of it",
        "caption_2": "not true of it",
        "caption_3": "not true of it",
        "kind": "'relation', 'attribute', 'size' or 'counting'",
        "scene": "the four examples of a set share their captions",
        "split": "'test' or 'val': they share no class",
    },
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `furniture-scenes.parquet` into `folder`; nothing is fetched, the pictures are those of the pack `furniture`."""
    known = ids_of(PACK_FOLDER / "furniture.parquet", ["class", "azimuth", "elevation"])
    pictures: dict[str, list[str]] = {name: [] for name in NOUNS}
    for row in known:
        if row["class"] in pictures and (row["azimuth"], row["elevation"]) in VIEWS:
            pictures[row["class"]].append(row["id"])
    kept = held_out(NOUNS, HELD_OUT)
    rows: list[dict[str, str]] = []
    for split, count in SETS.items():
        classes = sorted(name for name in NOUNS if (name in kept) == (split == "val"))
        for kind in KINDS:
            seen: set[str] = set()
            number = 0
            while len(seen) < 4 * count:
                random = draw("furniture-scenes", split, kind, number)
                pair = [(name, random.choice(pictures[name])) for name in _unlike(classes, kind, random)]
                scenes = _scenes(kind, pair, random)
                number += 1
                if seen.isdisjoint(captions := [caption for caption, _ in scenes]):
                    rows += _set(f"{kind}-{split}-{len(seen) // 4}", scenes, kind, split)
                    seen.update(captions)
    return write_pack("furniture-scenes", by_column(rows, ABOUT.columns), ABOUT, folder)


def _unlike(classes: list[str], kind: str, random: Random) -> list[str]:
    """Two classes that nobody takes for each other, and that can have what a kind says of them."""
    while True:
        pair = random.sample(classes, 2)
        if not any(set(pair) <= group for group in ALIKE) and not (kind == "attribute" and UNPAINTED & set(pair)):
            return pair


def _set(scene: str, scenes: list[tuple[str, str]], kind: str, split: str) -> list[dict[str, str]]:
    """Four examples of four captions with their pictures: the true caption first, the others in turn after it."""
    rows = []
    for place, (_, image) in enumerate(scenes):
        captions = {f"caption_{step}": scenes[(place + step) % len(scenes)][0] for step in range(len(scenes))}
        rows.append({"id": f"{scene}-{place}", "image_0": image, **captions, "kind": kind, "scene": scene, "split": split})
    return rows


def _scenes(kind: str, pair: list[Thing], random: Random) -> list[tuple[str, str]]:
    """The four captions of a kind with the recipes of the pictures that they are true of."""
    (one, _), (other, _) = pair
    first, second = NOUNS[one][0], NOUNS[other][0]
    if kind == "relation":
        return [
            (f"{article(first)} {relation} {article(second)}", _page(pair, corners)) for relation, corners in RELATIONS.items()
        ]
    if kind == "attribute":
        colours = random.sample(sorted(COLOURS), 2)
        return [
            (f"{article(f'{a} {first}')} and {article(f'{b} {second}')}", _page(pair, (LEFT, RIGHT), colours=(a, b)))
            for a, b in product(colours, repeat=2)
        ]
    if kind == "size":
        return [
            (f"a {a} {first} and a {b} {second}", _page(pair, (LEFT, RIGHT), sides=(SIZES[a], SIZES[b])))
            for a, b in product(SIZES, repeat=2)
        ]
    numbers, cells = sorted(random.sample(sorted(NUMBERS), 2)), random.sample(GRID, len(GRID))
    return [
        (
            f"{_number(a, one)} and {_number(b, other)}",
            page(PAPER, [*_row(pair[0], cells[:a]), *_row(pair[1], cells[a : a + b])]),
        )
        for a, b in product(numbers, repeat=2)
    ]


def _number(count: int, name: str) -> str:
    return f"{NUMBERS[count]} {NOUNS[name][0] if count == 1 else NOUNS[name][1]}"


def _row(thing: Thing, corners: list[tuple[int, int]]) -> list[Part]:
    return [Part(pack="furniture", id=thing[1], left=left, top=top, side=SMALL) for left, top in corners]


def _page(
    pair: list[Thing],
    corners: tuple[tuple[int, int], tuple[int, int]],
    *,
    sides: tuple[int, int] = (CELL, CELL),
    colours: tuple[str, str] = ("", ""),
) -> str:
    parts = []
    for (_, identifier), (left, top), side, colour in zip(pair, corners, sides, colours, strict=True):
        shift = (CELL - side) // 2
        where = {"left": left + shift, "top": top + shift, "side": side}
        parts.append(Part(pack="furniture", id=identifier, colour=COLOURS.get(colour, ""), **where))
    return page(PAPER, parts)
