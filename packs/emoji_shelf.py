"""The things that the probes on emoji show: which word has which pictures, each in one of three drawing styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from packs.common import PACK_FOLDER
from packs.emoji_words import ALIKE, GROUPS
from packs.scenes import Thing, ids_of, unlike, words_of

STYLES = ("noto", "fluent", "twemoji")


@dataclass(frozen=True)
class EmojiShelf:
    """Emoji with everyday names; `code`: the name of each emoji of the pack -> its code point."""

    code: dict[str, str]

    def things(self, split: str, count: int, random: Random, *, group: str = "", beside: Sequence[Thing] = ()) -> list[Thing]:
        """So many things of a split, each in a style of its own and unlike the others; with `group`, of that one."""
        pool = [one for one in words_of(GROUPS, split) if group in ("", one[2])]
        return [
            Thing(noun=noun, group=of, pack="emoji", id=f"{self.code[name]}-{random.choice(STYLES)}")
            for name, noun, of in unlike(pool, count, random, alike=ALIKE, beside=beside)
        ]


def emoji_shelf() -> EmojiShelf:
    """The shelf of the embedded pack."""
    rows = ids_of(PACK_FOLDER / "emoji.parquet", ["name", "codepoint"])
    return EmojiShelf({row["name"]: row["codepoint"] for row in rows})
