"""The probe `emoji-captions`: one picture, its caption and a hard negative of one of SugarCrepe's seven kinds.

Every two captions are shown with two pictures, once each way round: what is the truth of one example is the negative of its
twin. So no text alone can tell which is true, whatever a model knows of language: a blind rule is right once and wrong once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from packs.common import About, write_pack
from packs.emoji_shelf import emoji_shelf
from packs.scenes import COLOURS, LEFT, RELATIONS, RIGHT, Shelf, Thing, about, article, by_column, draw, on_paper, shows

PAIRS = {"test": 40, "val": 20}  # of each kind; two examples a pair
THIRD = ((8, 8), (72, 8), (40, 72))  # where the things of a page of three lie

Described = tuple[str, str]  # a caption and the recipe of the picture that it is true of
Made = tuple[Described, Described]

ABOUT = about(
    "Emoji composed into pictures, with captions and hard negatives of seven kinds",
    "emoji",
    "Things with everyday names are laid on a white page of 144 x 144 pixels, each in a drawing style drawn at random. Kinds, "
    "after SugarCrepe: replace-object, replace-attribute, replace-relation, swap-object, swap-attribute, add-object, "
    "add-attribute. A thing is replaced by one of its own group (an animal by an animal) that nobody takes for it. "
    "A thing in its usual colours is set against a colour that less than a fifth of it has. Every pair of captions has a "
    "picture for each, which gives two examples: each caption is true once and false once. A third of the words of each group, "
    "those with the smallest SHA-256, are of the split val alone. All draws are Python's random.Random of a text.",
    {
        "id": "kind, number of the pair, and a or b",
        "image_0": "recipe of the picture (see datasets/composing.py)",
        "caption_0": "true of the picture",
        "caption_1": "not true of it",
        "kind": "which change makes the negative",
        "pair": "the two examples of a pair share their captions",
        "split": "'test' or 'val': they share no thing",
    },
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `emoji-captions.parquet` into `folder`; nothing is fetched, the pictures are those of the pack `emoji`."""
    return write_captions("emoji-captions", emoji_shelf(), ABOUT, folder)


def write_captions(name: str, shelf: Shelf, about: About, folder: Path) -> Path:
    """Write a probe of seven kinds on the things of a shelf."""
    rows = []
    for split, count in PAIRS.items():
        shown: set[str] = set()
        for kind, make in KINDS.items():
            for number, (one, other) in enumerate(_different(name, make, kind, split, count, shelf, shown)):
                pair = f"{kind}-{split}-{number}"
                shared = {"kind": kind, "pair": pair, "split": split}
                for side, (true, false) in zip("ab", ((one, other), (other, one)), strict=True):
                    texts = {"image_0": true[1], "caption_0": true[0], "caption_1": false[0]}
                    rows.append({"id": f"{pair}-{side}", **texts, **shared})
    return write_pack(name, by_column(rows, about.columns), about, folder)


def _different(
    name: str, make: Callable[..., Made], kind: str, split: str, count: int, shelf: Shelf, shown: set[str]
) -> list[Made]:
    """So many pairs of a kind, no caption twice, and no page that is among those `shown`, to which theirs are added."""
    found: list[Made] = []
    seen: set[str] = set()
    number = 0
    while len(found) < count:
        random = draw(name, split, kind, number)
        made = make(split, random, shelf)
        number += 1
        captions, pages = zip(*made, strict=True)
        if seen.isdisjoint(captions) and shown.isdisjoint(pages):
            seen.update(captions)
            shown.update(pages)
            found.append(made)
    return found


def _replace_object(split: str, random: Random, shelf: Shelf) -> Made:
    first, second = shelf.things(split, 2, random)
    (third,) = shelf.things(split, 1, random, group=first.group, beside=(first, second))
    made = [
        (f"{article(one.noun)} and {article(second.noun)}", on_paper(one.at(LEFT), second.at(RIGHT))) for one in (first, third)
    ]
    return made[0], made[1]


def _replace_attribute(split: str, random: Random, shelf: Shelf) -> Made:
    first, second = shelf.things(split, 2, random)
    made = [
        (f"{article(f'{colour} {first.noun}')} and {article(second.noun)}",
         on_paper(first.at(LEFT, colour=colour), second.at(RIGHT)))
        for colour in random.sample(sorted(COLOURS), 2)
    ]  # fmt: skip
    return made[0], made[1]


def _replace_relation(split: str, random: Random, shelf: Shelf) -> Made:
    first, second = shelf.things(split, 2, random)
    made = [_related(first, second, relation) for relation in random.sample(sorted(RELATIONS), 2)]
    return made[0], made[1]


def _swap_object(split: str, random: Random, shelf: Shelf) -> Made:
    first, second = shelf.things(split, 2, random)
    relation = random.choice(sorted(RELATIONS))
    return _related(first, second, relation), _related(second, first, relation)


def _swap_attribute(split: str, random: Random, shelf: Shelf) -> Made:
    first, second = shelf.things(split, 2, random)
    colours = random.sample(sorted(COLOURS), 2)
    made = [
        (f"{article(f'{a} {first.noun}')} and {article(f'{b} {second.noun}')}",
         on_paper(first.at(LEFT, colour=a), second.at(RIGHT, colour=b)))
        for a, b in (colours, colours[::-1])
    ]  # fmt: skip
    return made[0], made[1]


def _add_object(split: str, random: Random, shelf: Shelf) -> Made:
    three = shelf.things(split, 3, random)
    first, second, third = (thing.noun for thing in three)
    stem = f"{article(first)} with {article(second)} and "
    parts = [thing.at(corner) for thing, corner in zip(three, THIRD, strict=True)]
    return (f"{stem}nothing else", on_paper(*parts[:2])), (f"{stem}{article(third)}", on_paper(*parts))


def _add_attribute(split: str, random: Random, shelf: Shelf) -> Made:
    first, second = shelf.things(split, 2, random)
    colour = random.choice([one for one in sorted(COLOURS) if shows(first, one)])
    made = [
        (f"{article(second.noun)} beside {article(first.noun)} {how}", on_paper(second.at(LEFT), first.at(RIGHT, colour=shade)))
        for how, shade in (("in its usual colours", ""), (f"painted all {colour}", colour))
    ]
    return made[0], made[1]


def _related(first: Thing, second: Thing, relation: str) -> Described:
    here, there = RELATIONS[relation]
    return f"{article(first.noun)} {relation} {article(second.noun)}", on_paper(first.at(here), second.at(there))


KINDS: dict[str, Callable[[str, Random, Shelf], Made]] = {
    "replace-object": _replace_object,
    "replace-attribute": _replace_attribute,
    "replace-relation": _replace_relation,
    "swap-object": _swap_object,
    "swap-attribute": _swap_attribute,
    "add-object": _add_object,
    "add-attribute": _add_attribute,
}
