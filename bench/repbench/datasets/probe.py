"""The declaration of a compositional probe: which captions and images of an example belong together, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from repbench.errors import did_you_mean


@dataclass(frozen=True, kw_only=True)
class Form:
    """How many images and captions an example of a rule has; 0: two or more. The first is the true one."""

    images: int
    captions: int
    words: str


RULES = {
    "one-image-many-captions": Form(images=1, captions=0, words="caption_0 is true of image_0, all others are not"),
    "many-images-one-caption": Form(images=0, captions=1, words="image_0 shows caption_0, all others do not"),
    "two-true-captions": Form(images=1, captions=3, words="caption_0 and caption_1 are true of image_0, caption_2 is not"),
    "winoground": Form(images=2, captions=2, words="caption_0 is true of image_0 alone, caption_1 of image_1 alone"),
    "naturalbench": Form(
        images=2,
        captions=4,
        words="of captions 0 and 1 (two answers to one question), and of 2 and 3, the first fits image_0, the second image_1",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The `[probe]` section of a dataset.

    `rule` is one of RULES. `subset` is the column whose values are reported one by one (SugarCrepe's seven kinds); with
    `macro` the primary metric is the mean of the subsets, of those of `least` examples or more and not among the `excluded`,
    else that of the examples.
    `candidates` is the column that says how many captions an example has, where that differs; further ones do not count.
    `together` maps the name of a further metric to a column: examples of one value there must all be right (What'sUp's sets).

    Debiased scores choose their weight on the split `tuning`, or where there is none on a share `held_out` of test, of whole
    clusters, drawn by `seed`; they report on the rest. All other scores report on the whole of test.
    """

    rule: str
    subset: str = ""
    macro: bool = False
    least: int = 1
    excluded: tuple[str, ...] = ()
    candidates: str = ""
    together: Mapping[str, str] = field(default_factory=dict)
    tuning: str = ""
    held_out: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule is {self.rule!r}; expected one of {', '.join(RULES)}.{did_you_mean(self.rule, RULES)}")
        if self.macro and not self.subset:
            raise ValueError("macro is a mean over subsets: name their column as subset.")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out is {self.held_out}; expected a share of test, at least 0 and below 1.")
        if self.held_out and self.tuning:
            raise ValueError("give either a split 'tuning' or a share held_out of test, not both.")
        if self.candidates and self.rule != "one-image-many-captions":
            raise ValueError("candidates counts captions, where one-image-many-captions is the rule.")

    @property
    def factors(self) -> tuple[str, ...]:
        """The columns that must be there beside the media."""
        return tuple(name for name in (self.subset, self.candidates, *self.together.values()) if name)

    def images_of(self, columns: Mapping[str, str]) -> tuple[str, ...]:
        """The columns image_0, image_1, ..., of the columns of media with their modalities."""
        return numbered("image", columns)

    def captions_of(self, columns: Mapping[str, str]) -> tuple[str, ...]:
        """The columns caption_0, caption_1, ..."""
        return numbered("text", columns)

    def problem(self, columns: Mapping[str, str]) -> str:
        """Why a dataset of these columns of media cannot be judged by the rule; "" where it can."""
        form, images, captions = RULES[self.rule], self.images_of(columns), self.captions_of(columns)
        if len(images) + len(captions) < len(columns):
            return "the columns of a probe are image_0, image_1, ... (image) and caption_0, caption_1, ... (text)."
        for what, wanted, found in (("images", form.images, len(images)), ("captions", form.captions, len(captions))):
            if found != wanted if wanted else found < 2:
                return f"the rule {self.rule} takes {wanted or 'two or more'} {what}; the columns have {found}."
        return ""


def numbered(modality: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of a modality that are numbered from 0 without a gap, in order."""
    stem = {"image": "image", "text": "caption"}[modality]
    found: list[str] = []
    while columns.get(f"{stem}_{len(found)}") == modality:
        found.append(f"{stem}_{len(found)}")
    return tuple(found)
