"""The declaration of a dataset: its facts, as data. Reading one opens no image and imports no numerical library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from repbench.datasets.factors import Factor
from repbench.datasets.probe import Probe
from repbench.digests import digest_json
from repbench.encoder import FrameGrid
from repbench.errors import did_you_mean
from repbench.strict import build, read_toml

ELEVEN_POINT = "mean-average-precision-11-point"  # of datasets whose examples can be of several classes
METRICS = ("accuracy", "mean-per-class", ELEVEN_POINT)
DIFFICULT = {"ignored": 0, "negative": -1, "positive": 1}  # rule -> label of a class that has only difficult objects
MODALITIES = ("image", "text", "audio")
PAIR = "pair"  # column of the split "captions" and of the images that it is about: equal ones belong together
HELD_OUT, REST = "held-out", "rest"  # the two parts of a probe's test split where a share of it is held out
ALL, LAST = "all", "last"  # which frames of a sound


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Zero-shot prompts: `templates` with the placeholder {c}; `names` maps a class name to how it is said in a prompt.

    `descriptions` (class name -> whole sentences) are used beside the templates.
    """

    templates: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for template in self.templates:
            if "{c}" not in template:
                raise ValueError(f"the prompt template {template!r} lacks the placeholder {{c}}.")
        if not self.templates and not self.descriptions:
            raise ValueError("prompts need templates or descriptions.")

    def of(self, class_name: str) -> tuple[str, ...]:
        """All prompts of one class."""
        spoken = self.names.get(class_name, class_name)
        filled = tuple(template.replace("{c}", spoken) for template in self.templates)
        return filled + tuple(self.descriptions.get(class_name, ()))


@dataclass(frozen=True, kw_only=True)
class Captions:
    """Texts about the images of test: the derived split "captions" has one row a text.

    `column` holds the text of an image, or its list of texts, of which the first `most` count (0: all). `of` is the column that
    says what a text is about, where several images share it (their texts are then taken once); default: each image itself.
    `template` with the placeholder {c} is what is said.
    """

    column: str
    of: str = ""
    most: int = 0
    template: str = "{c}"

    def __post_init__(self) -> None:
        if "{c}" not in self.template:
            raise ValueError(f"captions.template is {self.template!r}; it lacks the placeholder {{c}}.")
        if self.most < 0:
            raise ValueError(f"captions.most is {self.most}; expected a number of texts an image, or 0 for all.")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A validation split carved out of train, stratified by class, where the creators define none.

    `share` is that of train, in (0, 1); or `per_class` examples of each class go. `digest` is that of the places of val in
    train (carve.digest_of), for a train split in its published order; `places` a file beside the declaration that lists them.
    """

    share: float = 0.0
    per_class: int = 0
    seed: int = 0
    digest: str = ""
    places: str = ""

    def __post_init__(self) -> None:
        if self.per_class < 0 or bool(self.share) == bool(self.per_class):
            raise ValueError("validation takes either a share or a number per_class above 0.")
        if not self.per_class and not 0 < self.share < 1:
            raise ValueError(f"validation.share is {self.share}; expected a number between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is known of the published bytes. A copy that differs from it is refused unless told, and its rows are marked.

    `lossless`: they were published as pixels, so no copy may be JPEG or lossy WebP. `size`: width and height of all pictures.
    `md5`: file, below the layout's folder -> MD5. `positives`: split -> how many examples each class has, where an example
    can have several. `digests`: split -> the digests that `repbench data check` prints of true copies, one for each form that
    they lie in (pixels, PNG, ...).
    """

    lossless: bool = False
    md5: Mapping[str, str] = field(default_factory=dict)
    positives: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    size: tuple[int, ...] = ()
    digests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(f"content.size is {list(self.size)}; expected width and height in pixels, such as [32, 32].")


@dataclass(frozen=True, kw_only=True)
class FrameRule:
    """Which frames of a sound are examples, times in seconds. `labels` is the column of alignments.

    `which` "all" keeps every `every`-th frame, counted over the split; "last" the last one of each sound, with the sound's
    label. `step` is that of the alignment. `left_out` are labels that make no example.
    """

    labels: str
    hop: float
    count: int
    step: float = 0.01
    which: str = ALL
    every: int = 1
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.hop <= 0 or self.step <= 0 or self.count < 1 or self.every < 1:
            raise ValueError("frames need hop and step above 0 seconds, and count and every of 1 or more.")
        if self.which not in (ALL, LAST):
            raise ValueError(f"frames.which is {self.which!r}; expected {ALL!r} or {LAST!r}.")

    @property
    def grid(self) -> FrameGrid:
        """The moments of each sound."""
        return FrameGrid(hop=self.hop, count=self.count)


@dataclass(frozen=True, kw_only=True)
class About:
    """Where the data come from and what one may do with them."""

    licence: str = "not stated"
    citation: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetDeclaration:
    """The facts of one dataset, one TOML file.

    `classes` is their number, or their names in label order; a compositional `probe` has neither classes nor metric, for its
    rule says how it is judged (datasets/probe.py). `splits` are exact sizes, checked after reading (before a
    validation split is carved out). `columns` maps each column of media to its modality; `label` is the column of the class.

    `cluster` is the column of what several examples share (an object in many poses, a speaker): they are drawn together in
    intervals and tests, since they depend on each other. Where it is a column of images, examples of equal images are.

    With `frames` an example is a moment of a sound and `splits` count moments (datasets/frames.py).
    `factors` are columns that say how an example came about; `factor` says of some what they are (`[factor.azimuth]`).

    Where examples can be of several classes, the metric says so. `difficult` is then what a class counts as of which an
    example has only objects that are marked difficult: "ignored" (it is negative while a probe is fitted, and takes no part
    in choosing and in the test: PASCAL VOC's rule), "negative" or "positive".
    """

    name: str
    family: str
    path: Path | None = None  # the TOML file
    title: str
    metric: str = ""
    classes: int | tuple[str, ...] = 0
    splits: Mapping[str, int]
    sources: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, str] = field(default_factory=lambda: {"image": "image"})
    label: str = "label"
    factors: tuple[str, ...] = ()
    factor: Mapping[str, Factor] = field(default_factory=dict)
    cluster: str = ""
    frames: FrameRule | None = None
    validation: Validation | None = None
    prompts: Prompts | None = None
    captions: Captions | None = None
    difficult: str = "ignored"
    probe: Probe | None = None
    content: Content = Content()
    about: About = About()

    def __post_init__(self) -> None:
        if self.probe is not None:
            self._check_probe(self.probe)
        else:
            for key in ("metric", "classes"):
                if not getattr(self, key):
                    raise ValueError(f"the key {key!r} is missing.")
            if self.metric not in METRICS:
                raise ValueError(f"metric is {self.metric!r}; expected one of {', '.join(METRICS)}.")
        if self.difficult not in DIFFICULT:
            raise ValueError(f"difficult is {self.difficult!r}; expected one of {', '.join(DIFFICULT)}.")
        if self.is_multilabel and self.validation is not None:
            raise ValueError("a validation split is carved by class; where examples have several, declare a split 'val'.")
        for column, modality in self.columns.items():
            if modality not in MODALITIES:
                raise ValueError(f"columns.{column} is {modality!r}; expected one of {', '.join(MODALITIES)}.")
        for name in self.factor:
            if name not in self.factors:
                raise ValueError(f"[factor.{name}] is none of the factors.{did_you_mean(name, self.factors)}")
        if not self.sources:
            raise ValueError("sources is empty; name at least one place where the data can be.")
        if self.validation is not None and "val" in self.splits:
            raise ValueError("a dataset has either a split 'val' of its own or a carved [validation], not both.")
        if self.frames is not None and (self.validation is not None or self.columns[self.medium] != "audio"):
            raise ValueError("frames are moments of sounds; a split 'val' of other sounds must be there, none is carved out.")

    def _check_probe(self, probe: Probe) -> None:
        if self.metric or self.classes or self.prompts or self.validation:
            raise ValueError("a [probe] has no metric, classes, prompts or validation: its rule says how it is judged.")
        if problem := probe.problem(self.columns):
            raise ValueError(problem)
        if "test" not in self.splits or (probe.tuning and probe.tuning not in self.splits):
            raise ValueError(f"a probe needs the split 'test'{f' and {probe.tuning!r}' if probe.tuning else ''} in [splits].")

    @property
    def is_multilabel(self) -> bool:
        """Whether an example can be of several classes."""
        return self.metric == ELEVEN_POINT

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that can be asked for, with a carved validation split."""
        if self.probe is not None and self.probe.held_out:
            return (*self.splits, HELD_OUT, REST)
        return (*self.splits, "val") if self.validation is not None else tuple(self.splits)

    @property
    def medium(self) -> str:
        """The first column of media: what is embedded unless a protocol says otherwise."""
        return next(iter(self.columns))

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    @property
    def digest(self) -> str:
        """Digest of every fact that decides what is measured.

        Where the file lies does not count; nor does the list of val that ships: val is carved by its rule whatever that says;
        nor size and digests of the content, by which a copy is only checked.
        """
        facts = asdict(self)
        del facts["path"]
        del facts["content"]["size"], facts["content"]["digests"]
        if self.validation is not None:
            del facts["validation"]["digest"], facts["validation"]["places"]
        if self.captions is None:  # of a dataset without them the digest is what it was
            del facts["captions"]
        if self.probe is None:  # so that the digests of other datasets are what they were before there were probes
            del facts["probe"]
        if self.frames is None:
            del facts["frames"]
        if not self.factor:
            del facts["factor"]  # so that records of datasets without it stay as they are
        for one in facts.get("factor", {}).values():
            if not one["typical"]:
                del one["typical"]
        return digest_json(facts)


def read_declaration(path: Path, family: str) -> DatasetDeclaration:
    """The dataset that a TOML file declares; its name is the file's. Raises DeclarationError."""
    return build(DatasetDeclaration, read_toml(path), str(path), name=path.stem, family=family, path=path)
