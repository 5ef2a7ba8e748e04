"""The things that the probes on emoji show: which word has which pictures, and which words the split val keeps for itself."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from packs.common import PACK_FOLDER
from packs.emoji_words import GROUPS
from packs.scenes import CELL, COLOURS, held_out, ids_of, page
from repbench.datasets.composing import Part

HELD_OUT = 1 / 3  # of the words of a group, for val
STYLES = ("noto", "fluent", "twemoji")
PAPER = "#ffffff"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A word and the picture that shows it."""

    noun: str
    group: str
    codepoint: str
    style: str

    def at(self, corner: tuple[int, int], *, side: int = CELL, colour: str = "") -> Part:
        """It on the page, with its corner there, in its own colours or in one."""
        return Part(
            pack="emoji",
            id=f"{self.codepoint}-{self.style}",
            left=corner[0],
            top=corner[1],
            side=side,
            colour=COLOURS.get(colour, ""),
        )


def codepoints() -> dict[str, str]:
    """The name of each emoji of the pack -> its code point."""
    return {row["name"]: row["codepoint"] for row in ids_of(PACK_FOLDER / "emoji.parquet", ["name", "codepoint"])}


def words(split: str) -> dict[str, dict[str, str]]:
    """Group -> name in the pack -> noun, of the words of a split: no word is in both."""
    found = {}
    for group, names in GROUPS.items():
        kept = held_out(names, HELD_OUT)
        found[group] = {name: noun for name, noun in names.items() if (name in kept) == (split == "val")}
    return found


def things(split: str, count: int, random: Random, code: dict[str, str], *, group: str = "") -> list[Thing]:
    """So many different things of a split, each in a style of its own; with `group`, of that one."""
    known = words(split)
    pool = sorted((name, noun, of) for of, names in known.items() if group in ("", of) for name, noun in names.items())
    return [
        Thing(noun=noun, group=of, codepoint=code[name], style=random.choice(STYLES))
        for name, noun, of in random.sample(pool, count)
    ]


def on_paper(*parts: Part) -> str:
    """The recipe of a white page."""
    return page(PAPER, parts)
