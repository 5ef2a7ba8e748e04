"""The errors that a user of repbench can meet, and the nearest-name helper that makes them kind.

Every message says what was wrong (with the value and the file or name), what is accepted, and what to type next. The command
line prints these without a traceback; anything else that escapes is a defect of repbench.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RepbenchError(Exception):
    """Base of every error that is about the user's input and not about our code."""


class UsageError(RepbenchError):
    """The command, a name or a declaration is wrong; nothing was run (exit status 2)."""


class UnknownNameError(UsageError):
    """A name that is in no list: an encoder, task, dataset, architecture or option."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        super().__init__(f"unknown {kind} {name!r}.{did_you_mean(name, known)}{' ' + hint if hint else ''}")
        self.name = name


class DeclarationError(UsageError):
    """A TOML declaration is wrong; the message begins with the file."""


class DataError(RepbenchError):
    """A dataset cannot be read as declared: files missing, sizes different, an undecodable item."""


class DeviatingError(DataError):
    """A copy of a dataset is known to differ from the published one, and nobody said that it may."""


class EncoderError(RepbenchError):
    """An encoder cannot be built: no such weights, a checkpoint of another architecture, a missing package."""


class EmbeddingError(RepbenchError):
    """Embeddings are unusable: not finite, of the wrong shape, or of a modality that the encoder lacks."""


class UnfitError(EmbeddingError):
    """A task asks for what the encoder does not have: a gap on the board, and no failure of either."""


class MissingModalityError(UnfitError):
    """A task asks for a modality for which the encoder has no tower."""


class NotTrainableError(UnfitError):
    """A task trains the network, and this one cannot be trained."""


class ProtocolError(RepbenchError):
    """A protocol cannot score what it was given: one class only, an empty split, a class missing in train."""


class TrainingError(RepbenchError):
    """A training run cannot go on: the loss is not finite, or its saved state is of another run or damaged."""


class DivergedError(TrainingError):
    """The loss of a training run did not stay finite."""


class StoreError(RepbenchError):
    """The store of embeddings cannot be read or written."""


class RecordError(RepbenchError):
    """A result file cannot be read or written."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean …?' with the nearest names, or ' Known: …' when nothing is near."""
    known = list(known)
    near = [] if name.endswith("/*") else difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if not near:  # a part of a longer name is what people remember
        near = [candidate for candidate in known if name and name.lower() in candidate.lower()][:3]
    if not near and "/" in name:  # of `knnn/*` the protocol counts
        parts = dict.fromkeys(candidate.partition("/")[0] for candidate in known)
        near = [f"{part}/*" for part in difflib.get_close_matches(name.partition("/")[0], parts, n=3, cutoff=0.6)]
    if near:
        return f" Did you mean {' or '.join(repr(candidate) for candidate in near)}?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f" Known: {shown}." if known else ""


def counted(number: int, one: str, many: str = "") -> str:
    """The number with its noun: 1 task, 2 tasks; `many` where an s does not do."""
    return f"{number} {one if number == 1 else many or one + 's'}"
