"""How grammatical a caption is, by Link Grammar (Sleator & Temperley 1993), where its program `link-parser` is installed.

It is asked in its own process, of the caption as a sentence and after "This is", since most captions are no sentences.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

PROGRAM = "link-parser"
MISSING = "link-parser is not installed (Debian: link-grammar, link-grammar-dictionaries-en)"
OPTIONS = ("en", "-graphics=0", "-echo=1", "-spell=0", "-limit=100", "-timeout=5")
SECONDS = 600
UNUSED_WORD = 10.0  # costs more than any use of words does: first as few words as possible are left over
UNREAD = 100.0  # the cost of a sentence of which nothing was read
_COST = re.compile(r"cost vector = \(UNUSED=(\d+) DIS= ?(-?[\d.]+)")
_SIGNS = re.compile(r"^[^A-Za-z0-9]+|\s+")  # a line that begins with "!" would be a command


def is_here() -> bool:
    """Whether the program is installed (Debian: link-grammar, link-grammar-dictionaries-en)."""
    return shutil.which(PROGRAM) is not None


def grammar_scores(texts: Sequence[str]) -> dict[str, float]:
    """Text -> minus what its best parse costs: words left over, then unusual uses. Raises OSError, TimeoutExpired."""
    forms = {text: _forms(text) for text in dict.fromkeys(texts)}
    lines = list(dict.fromkeys(line for both in forms.values() for line in both))
    said = subprocess.run(
        [PROGRAM, *OPTIONS],
        input="\n".join([*lines, ""]),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    cost = costs(said.stdout, set(lines))
    return {text: -min(cost.get(line, UNREAD) for line in both) for text, both in forms.items()}


def costs(output: str, lines: set[str]) -> dict[str, float]:
    """Sentence -> the cost of its first linkage, of what the program printed; each sentence is echoed before its own."""
    found: dict[str, float] = {}
    current = ""
    for line in output.splitlines():
        if line in lines:
            current = line
        elif current and current not in found and (told := _COST.search(line)):
            found[current] = UNUSED_WORD * int(told[1]) + float(told[2])
    return found


def _forms(text: str) -> tuple[str, str]:
    words = _SIGNS.sub(" ", text).strip().rstrip(" .!?") or "nothing"
    return f"{words[0].upper()}{words[1:]}.", f"This is {words[0].lower()}{words[1:]}."
