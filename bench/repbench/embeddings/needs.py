"""What a task asks for: which embeddings, of which items, seen in which view; or a network to train, and on which items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, order=True)
class OfItems:
    """What all needs have in common: the items of one column of one split.

    `split` may join several by "+" ("train+val"). The split "prompts" is the dataset's class prompts (column "text"), the split
    "captions" the texts about the images of test.
    `tuning` says what the data may be used for: True, a protocol may fit and choose on it; False, it may only report on it.
    """

    dataset: str
    split: str
    column: str
    tuning: bool = True

    @property
    def splits(self) -> tuple[str, ...]:
        """The single splits that make it up, in order."""
        return tuple(self.split.split("+"))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of media that are looked at."""
        return (self.column,)


@dataclass(frozen=True, kw_only=True, order=True)
class Need(OfItems):
    """Embeddings, in one view. Equal needs of different tasks are the same embeddings."""

    view: str = "plain"  # see embeddings/views.py

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        return f"{self.column} of {self.split}, view {self.view}"


@dataclass(frozen=True, kw_only=True, order=True)
class TrainableModel(OfItems):
    """The encoder's network itself, to be trained on these items, or asked about them: see embeddings/trainable.py."""

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        return f"the network itself, on {self.column} of {self.split}"


NULL_IMAGES = ("null_0", "null_1", "null_2")  # columns of PairScores: pictures of noise, beside which a text stands alone


@dataclass(frozen=True, kw_only=True, order=True)
class PairScores:
    """Scores of (image, text) pairs of one split, by one of an encoder's pair scorers; `pairs` names their columns.

    An image column may be one of NULL_IMAGES. The answer is a split whose x has a column for each pair, in their order.
    """

    dataset: str
    split: str
    scorer: str  # "itm" or "lm"
    pairs: tuple[tuple[str, str], ...]
    tuning: bool = True

    @property
    def splits(self) -> tuple[str, ...]:
        """As of a Need: one split."""
        return (self.split,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of media that are looked at."""
        return tuple(dict.fromkeys(name for pair in self.pairs for name in pair if name not in NULL_IMAGES))

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        images, texts = (list(dict.fromkeys(pair[side] for pair in self.pairs)) for side in range(2))
        return f"scores by {self.scorer} of {', '.join(images)} with {', '.join(texts)} of {self.split}"


SENTENCES = "packaged:minilm,length=128"  # the sentence encoder among the blind rules; up to 128 tokens of a caption are read
TYPICAL = "typical for packaged:minilm"  # its rule
GRAMMAR = "grammar (Link Grammar)"  # the rule of the grammar checker
SHIPPED = Path(__file__).parents[1] / "datasets" / "text_judges"  # a file of the scores of both for each embedded probe


@dataclass(frozen=True, kw_only=True, order=True)
class TextJudges:
    """What judges that see no image make of the captions of an example: see embeddings/text_judges.py.

    `true` are those of the columns `captions` that are true of an image. It is the same for every encoder, and asks nothing of
    one. The answer is `Embeddings.judged`; a judge that is not installed is among those of `Embeddings.not_asked`.
    """

    dataset: str
    split: str
    captions: tuple[str, ...]
    true: tuple[str, ...]
    tuning: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """As of a Need: one split."""
        return (self.split,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of media that are looked at."""
        return self.captions

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        return f"blind scores of {', '.join(self.captions)} of {self.split}: {TYPICAL}, {GRAMMAR}"


AnyNeed = Need | TrainableModel | PairScores | TextJudges
