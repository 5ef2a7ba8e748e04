"""What the builders of probes share: pages of two or more pictures, words for things, colours, and columns of a table."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageColor

from packs.common import About, Source
from repbench.datasets.composing import Part, Recipe, compose, object_of
from repbench.datasets.items import decode_image
from repbench.datasets.sources.pack import pack_about, pack_path

SIDE, CELL, MARGIN = 144, 64, 8  # pixels of a page, of a picture on it, around it
HELD_OUT = 1 / 3  # of the words of a group, for val
LEFT, RIGHT, ABOVE, BELOW = (8, 40), (72, 40), (40, 8), (40, 72)
RELATIONS = {  # how the first of two things lies to the second -> where the first and the second are
    "to the left of": (LEFT, RIGHT),
    "to the right of": (RIGHT, LEFT),
    "above": (ABOVE, BELOW),
    "below": (BELOW, ABOVE),
}
COLOURS = {"red": "#e02020", "yellow": "#f5d000", "green": "#20a030", "blue": "#2850e0", "purple": "#9030c0"}
WHITE = "#ffffff"
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}
HUES, GREY = 25, 64  # of 255: how near two hues are called one; saturation and value below which a pixel has no hue
ITS_OWN = 0.2  # share of a thing's pixels from which on it has a colour already

Word = tuple[str, str, str]  # name of the picture, noun, group


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A word and the picture that shows it: its pack and id there."""

    noun: str
    group: str
    pack: str
    id: str

    def at(self, corner: tuple[int, int], *, side: int = CELL, colour: str = "") -> Part:
        """It on the page, with its corner there, in its own colours or in one."""
        return Part(pack=self.pack, id=self.id, left=corner[0], top=corner[1], side=side, colour=COLOURS.get(colour, ""))


class Shelf(Protocol):
    """Things of one pack that a probe can show; no word is in both splits."""

    def things(self, split: str, count: int, random: Random, *, group: str = "", beside: Sequence[Thing] = ()) -> list[Thing]:
        """So many things of a split, none of which is taken for another or for one of `beside`; with `group`, of that one."""
        ...


def on_paper(*parts: Part) -> str:
    """The recipe of a white page."""
    return page(WHITE, parts)


def words_of(groups: Mapping[str, Mapping[str, str]], split: str) -> list[Word]:
    """The words of a split, sorted: a third of each group's pictures is of val alone."""
    found: list[Word] = []
    for group, nouns in groups.items():
        kept = held_out(nouns, HELD_OUT)
        found += [(picture, noun, group) for picture, noun in nouns.items() if (picture in kept) == (split == "val")]
    return sorted(found)


def unlike(
    words: Sequence[Word], count: int, random: Random, *, alike: Iterable[Collection[str]], beside: Sequence[Thing] = ()
) -> list[Word]:
    """So many of the words; no noun is drawn twice or is among `beside`, nor are two of them in one set of `alike`."""
    present = [thing.noun for thing in beside]
    while True:
        found = random.sample(words, count)
        nouns = [noun for _, noun, _ in found] + present
        if len(set(nouns)) == len(nouns) and all(sum(noun in one for noun in nouns) < 2 for one in alike):
            return found


def shows(thing: Thing, colour: str) -> bool:
    """Whether one sees that the thing was painted in the colour: less than a fifth of its picture has that hue already."""
    part = thing.at((0, 0))
    page = compose(Recipe(side=CELL, paper=WHITE, parts=(part,)), [decode_image(_pictures(thing.pack)[thing.id])])
    hue, saturation, value = np.moveaxis(np.asarray(page.convert("HSV"), dtype=int), 2, 0)
    wanted = Image.new("RGB", (1, 1), ImageColor.getrgb(COLOURS[colour])).convert("HSV").getpixel((0, 0))
    assert isinstance(wanted, tuple)
    away = np.abs((hue - wanted[0] + 128) % 256 - 128)
    alike = (away <= HUES) & (saturation > GREY) & (value > GREY)
    return bool(alike[object_of(np.asarray(page), (255, 255, 255))].mean() < ITS_OWN)


@cache
def _pictures(pack: str) -> dict[str, bytes]:
    table = pq.read_table(pack_path(pack), columns=["id", "image"])
    return dict(zip(table.column("id").to_pylist(), table.column("image").to_pylist(), strict=True))


def article(words: str) -> str:
    """The words after "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def draw(*what: object) -> Random:
    """Random numbers that depend on nothing but `what`."""
    return Random("/".join(map(str, what)))


def held_out(words: Iterable[str], share: float) -> set[str]:
    """About a share of the words: those whose SHA-256 is the smallest."""
    ordered = sorted(words, key=lambda word: hashlib.sha256(word.encode()).hexdigest())
    return set(ordered[: round(share * len(ordered))])


def page(paper: str, parts: Sequence[Part]) -> str:
    """The recipe of a page."""
    return Recipe(side=SIDE, paper=paper, parts=tuple(parts)).text()


def ids_of(pack: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a pack without its pictures."""
    rows: list[dict[str, str]] = pq.read_table(pack, columns=["id", *columns]).to_pylist()
    return rows


def by_column(rows: Sequence[Mapping[str, str]], names: Iterable[str]) -> dict[str, list[str]]:
    """Rows as columns. Raises KeyError for a row that lacks one."""
    return {name: [row[name] for row in rows] for name in names}


def about(title: str, pictures: str, derivation: str, columns: Mapping[str, str]) -> About:
    """Provenance of a probe: that of the pack whose pictures it shows, and how it was made."""
    sources = tuple(Source(**source) for source in pack_about(pictures)["sources"])
    return About(title=title, sources=sources, derivation=derivation, columns=columns)
