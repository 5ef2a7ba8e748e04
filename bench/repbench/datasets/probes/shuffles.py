"""ARO's four perturbations of the order of words, frozen: a caption and a seed give one text, on every machine.

ARO draws them anew at each run, with tags of spaCy and tokens of NLTK. Here a word is a run of letters, digits, hyphens and
apostrophes, and nouns and adjectives are the words of no closed class: neither article, pronoun, preposition, conjunction,
auxiliary, particle, number word, adverb in -ly, nor form in -ing. The four kinds keep ARO's definitions. A perturbation that
gives back the caption is drawn again; one that always does (a caption of one word) stays, and is a tie.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from repbench.digests import digest_text
from repbench.errors import DataError

VERSION = 1  # raised when a caption would be perturbed to another text
SEED = 0  # of the perturbations that repbench makes
FROZEN = "fccd58443a50982c55c59c8be602de88"  # digest of the perturbations of SAMPLE with this seed, the same everywhere
SAMPLE = tuple(
    f"A {colour} {thing} stands near the {place} of a small town."
    for colour in ("red", "old")
    for thing in ("car", "man")
    for place in ("edge", "river")
)
LONGEST = 30  # words of a caption that are kept
DRAWS = 8
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
CLOSED = """
    a an the this that these those some any no each every another all both either neither
    i me my you your he him his she her it its we us our they them their who whom whose which what there here
    of in on at by for with from to into onto over under above below between beside besides behind before after near next
    across along around through against among off out up down inside outside upon within without toward towards as than
    and or but nor so yet while because if when where that
    is are was were be been being am has have had having do does did doing can could will would shall should may might must
    not very too also just only together apart away back
    one two three four five six seven eight nine ten several many few
    sits stands holds wears rides looks walks plays eats runs lies flies has shows covered filled made topped parked
"""
_CLOSED = frozenset(CLOSED.split())


def check_frozen() -> None:
    """Raise DataError where captions would be perturbed to other texts than the frozen ones."""
    found = digest_text(*(text for one in SAMPLE for text in perturbations(one)))
    if found != FROZEN:
        raise DataError(
            f"the perturbations of word order are frozen (version {VERSION}, seed {SEED}, digest {FROZEN}), and here they would"
            f" be others ({found}): scores on them could be compared with none. Install repbench anew."
        )


def perturbations(caption: str, seed: int = SEED) -> tuple[str, str, str, str]:
    """Nouns and adjectives shuffled; all other words shuffled; words inside trigrams shuffled; trigrams shuffled."""
    words = plain(caption).split()
    named = [place for place, word in enumerate(words) if _is_open(word)]
    others = [place for place in range(len(words)) if place not in named]
    trigrams = [list(range(start, min(start + 3, len(words)))) for start in range(0, len(words), 3)]
    makers: tuple[Callable[[Callable[[Sequence[int]], list[int]]], list[int]], ...] = (
        lambda shuffle: _moved(len(words), named, shuffle(named)),
        lambda shuffle: _moved(len(words), others, shuffle(others)),
        lambda shuffle: [place for trigram in trigrams for place in shuffle(trigram)],
        lambda shuffle: [place for number in shuffle(range(len(trigrams))) for place in trigrams[number]],
    )
    found = [_first_other(words, maker, f"{VERSION}|{seed}|{kind}|{caption}") for kind, maker in enumerate(makers)]
    return found[0], found[1], found[2], found[3]


def plain(caption: str) -> str:
    """A caption in small letters without punctuation, at most LONGEST words: how ARO shows true captions too."""
    return " ".join(_WORD.findall(caption.lower())[:LONGEST])


def _is_open(word: str) -> bool:
    return word not in _CLOSED and not word.endswith(("ing", "ly")) and not word.isdigit()


def _moved(count: int, places: Sequence[int], to: Sequence[int]) -> list[int]:
    order = list(range(count))
    for place, source in zip(places, to, strict=True):
        order[place] = source
    return order


def _first_other(words: list[str], maker: Callable[[Callable[[Sequence[int]], list[int]]], list[int]], key: str) -> str:
    text = " ".join(words)
    for draw in range(DRAWS):
        lots = _Lots(f"{key}|{draw}")
        found = " ".join(words[place] for place in maker(lots.shuffled))
        if found != text:
            return found
    return text


class _Lots:
    """Shuffles from a hash of a text: the same on every machine and in every version of Python and NumPy."""

    def __init__(self, key: str) -> None:
        self._key, self._drawn = key, 0

    def shuffled(self, places: Sequence[int]) -> list[int]:
        """The places in the order of their lots."""
        self._drawn += 1
        return sorted(places, key=lambda place: hashlib.sha256(f"{self._key}|{self._drawn}|{place}".encode()).digest())
