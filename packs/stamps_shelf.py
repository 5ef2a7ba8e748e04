"""The things that the probes on stamps show: photographs of Tux Paint, cut out, that a child would name at once.

Left out are drawings, things of which there are several on one stamp, pairs that are hard to tell apart in 64 pixels (cello and
violin, donkey and horse), and words that mean another thing elsewhere (football). The name of the stamp below its folder of the
pack -> the noun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from packs.scenes import Thing, unlike, words_of


def _folder(folder: str, *names: str, **nouns: str) -> dict[str, str]:
    """Stamps of a folder, by a noun that is their name, or another: noun=name."""
    named = {f"{folder}/{name}": name.rsplit("/", 1)[-1] for name in names}
    return named | {f"{folder}/{name}": noun.replace("_", " ") for noun, name in nouns.items()}


GROUPS = {
    "bird": _folder(
        "animals/birds", "crow", "duck", "owl", "ostrich", "pelican", "penguin", "pigeon", "seagull", "turkey", "vulture",
        "rooster", flamingo="pink_flamingo", toucan="tucan",
    ),
    "animal": _folder(
        "animals/mammals", "apes/gorilla", "aquatic/dolphin", "aquatic/orca", "bears/bear", "bovines/bison", "bovines/cow",
        "bovines/goat", "bovines/sheep", "camel/camel", "cats/lion", "cats/tiger", "deer/deer", "dogs/dog", "dogs/fox",
        "elephant", "equines/horse", "equines/zebra", "giraffe", "hippopotamus", "pig", "rodents/beaver", "rodents/mouse",
        "rodents/rabbit", "rodents/squirrel",
    ) | _folder(
        "animals", "amphibians/frog", "fish/seahorse", "insects/grasshopper", "lizards/iguana", "marsupials/kangaroo",
        "marsupials/koala",
    ),
    "food": _folder(
        "food/fruit", "avocado", "banana", "lemon", "mango", "orange", "pear", "pineapple", "pomegranate", "raspberry",
        "strawberry", apple="apple_red",
    ) | _folder(
        "food/vegetables", "carrot", "eggplant", "mushroom", "onion", "potato", bell_pepper="yellowpepper",
    ) | _folder("food/nuts", "walnut"),
    "object": _folder(
        "household", "key", "dishes/mug", "dishes/teapot", "tools/hammer", "tools/saw", "tools/toolbox", "tools/wrench",
        lightbulb="Lightbulb",
    ) | _folder(
        "hobbies", "music/brass/trumpet", "music/string/violin", camera="camera_35mm", drum_kit="music/percussion/drumkit",
        guitar="music/string/guitar_classical",
    ) | _folder(
        "sports", "basketball", tennis_racket="tennis_racket", trophy="trophy_cup",
        soccer_ball="soccer",
    ) | _folder("seasonal", "candle"),
    "outdoors": _folder("town", mailbox="usps_mailbox", traffic_cone="roadsigns/traffic_cone")
    | _folder("vehicles", car="auto/beetle", tricycle="cycle/pink_tricycle", fire_truck="emergency/firetruck",
              airplane="flight/planes/747", bus="masstransit/green_korean_bus", )
    | _folder("plants", "flowers/daffodil", "flowers/rose", "trees/pinecone", palm_tree="trees/liberia-palm"),
}  # fmt: skip
ALIKE = (  # one is the other in other words, or looks like it in 64 pixels
    {"dolphin", "orca"}, {"bison", "cow"}, {"beaver", "mouse", "squirrel"}, {"goat", "sheep"}, {"crow", "vulture"},
    {"mango", "avocado", "pear"}, {"apple", "pomegranate"}, {"orange", "lemon"}, {"mailbox", "toolbox"},
)  # fmt: skip


@dataclass(frozen=True)
class StampShelf:
    """Photographs of the pack `stamps`, which `repbench data fetch stamps` makes."""

    def things(self, split: str, count: int, random: Random, *, group: str = "", beside: Sequence[Thing] = ()) -> list[Thing]:
        """So many things of a split, unlike each other; with `group`, of that one."""
        pool = [one for one in words_of(GROUPS, split) if group in ("", one[2])]
        found = unlike(pool, count, random, alike=ALIKE, beside=beside)
        return [Thing(noun=noun, group=of, pack="stamps", id=name) for name, noun, of in found]
