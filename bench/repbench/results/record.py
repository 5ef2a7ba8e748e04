"""The record: what is needed to judge and to repeat one number, one JSON file for each encoder and task."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from repbench.digests import LENGTH, digest_text
from repbench.errors import RecordError

SCHEMA = 2
READABLE = (1, SCHEMA)  # records of 1 carry no digest of themselves
DONE, FAILED = "done", "failed"
OWN_SPLIT = "the creators' split"  # what the convention "validation" says where none was carved out
PUBLISHED = "published"  # the kind of a row that a paper reports and nobody here measured
UNFIT = ("missing modality", "missing scorer", "not trainable")  # a reason begins so where the encoder lacks what is asked
LOOSE = "fits stop where scikit-learn's default does, far from their optimum where the penalty is weak"
DIGEST = "record_digest"  # among the circumstances, for it covers them too
_DIGEST_LINE = re.compile(rf'(\n  "{DIGEST}": ")([^"\n]*)(")')
MARKS = {  # diagnostics that a reader is told of where they are true
    "collapsed": "collapsed: the embeddings are all (nearly) one point, so that the number says nothing of quality",
    "fewer_rows_than_dimensions": "fewer rows than dimensions: no rank can exceed the rows, so compare with as many only",
    "ignores_pose": "the embedding ignores the pose: there is nothing to carry",
}
_TEXTS = ("status", "encoder", "encoder_kind", "task", "protocol", "dataset", "primary", "reason", "source")
_INPUT_TEXTS = ("encoder_fingerprint", "task_digest", "dataset_fingerprint", "precision", "on_bad_item", "prompts", "logit")
_TABLES = ("options", "metrics", "chances", "skipped", "diagnostics", "towers", "notes", "versions", "circumstances")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number with its 95 % interval; None where no interval is known."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that determines the number. Records with equal inputs are interchangeable; any difference makes a record stale."""

    encoder_fingerprint: str
    task_digest: str
    dataset_fingerprint: str
    seed: int
    precision: str
    limit: int | None
    on_bad_item: str
    told: tuple[str, ...] = ()  # options of the task that the run set beside the declared ones: "steps=200"
    deviating: bool = False  # the copy of the data is known to differ from what was published
    prompts: str = ""  # the beginning of the digest of the user's own prompts
    logit: str = ""  # what the model itself makes of a cosine, where the task asks: "14.2857141 x cosine"

    def __post_init__(self) -> None:
        object.__setattr__(self, "told", tuple(self.told))  # JSON has lists only

    @property
    def unusual(self) -> tuple[str, ...]:
        """What a run was told beside the defaults, in words that are safe in a file name: ("limit=50", "seed=1", "bf16")."""
        limit = () if self.limit is None else (f"limit={self.limit}",)
        seed = () if self.seed == 0 else (f"seed={self.seed}",)
        precision = () if self.precision == "fp32" else (self.precision,)
        prompts = (f"prompts={self.prompts}",) if self.prompts else ()
        return (*limit, *seed, *precision, *prompts, *(("deviating",) if self.deviating else ()))


@dataclass(frozen=True, kw_only=True)
class Record:
    """One cell of the leaderboard with its provenance. `reason` says why a failed task failed."""

    status: str
    encoder: str
    encoder_kind: str
    task: str
    protocol: str
    dataset: str
    inputs: Inputs
    task_version: int
    options: Mapping[str, Any]
    primary: str = ""
    higher_is_better: bool = True
    judges: bool = True  # False: it describes, and takes no part in ranks, means and tests
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    n: int = 0
    chance: float | None = None
    chances: Mapping[str, float] = field(default_factory=dict)  # of metrics beside the primary one
    reason: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)  # id of an example -> why it could not be read
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    towers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # fingerprint, dim, preprocessing, features
    load_report: Mapping[str, Any] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    source: str = ""  # where the data were read
    deviations: tuple[str, ...] = ()  # in what they are known to differ from the published ones
    conventions: Mapping[str, str] = field(default_factory=dict)  # what was done where published tables differ, by subject
    versions: Mapping[str, str] = field(default_factory=dict)
    circumstances: Mapping[str, Any] = field(default_factory=dict)  # device, seconds, command: may differ between equal runs
    schema: int = SCHEMA

    @property
    def value(self) -> Metric | None:
        """The primary metric; None for a failed task."""
        return self.metrics.get(self.primary)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the number should be told first: a choice at an end of its grid, a fit that stopped early."""
        told = self.diagnostics
        choices = ("strength", "learning_rate", "weight_decay")
        chosen = " and ".join(f"{name.replace('_', ' ')} {told[name]:g}" for name in choices if name in told)
        edge = (f"the chosen {chosen or 'option'} is an end of its grid",) if told.get("at_grid_edge") else ()
        stopped = (_stopped(told.get("unproven")),) if told.get("converged") is False else ()
        marked = (words for name, words in MARKS.items() if told.get(name) is True)
        facts = (self.conventions[subject] for subject in ("shared items", "size") if self.conventions.get(subject))
        loose = (LOOSE,) if self.options.get("stop_rule") == "sklearn" else ()
        own = told.get("warnings")
        said = (str(words) for words in own) if isinstance(own, list | tuple) else ()
        return (*edge, *stopped, *loose, *marked, *said, *facts, *self.deviations)

    def to_json(self) -> str:
        """Canonical JSON text: sorted keys, no NaN, and among the circumstances a digest of the whole text.

        Raises RecordError for a number that is not finite.
        """
        try:
            table = asdict(self)
            table["circumstances"] = {**self.circumstances, DIGEST: "0" * LENGTH}
            text = json.dumps(table, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
            return _DIGEST_LINE.sub(rf"\g<1>{digest_text(text)}\g<3>", text, count=1)
        except ValueError as error:
            raise RecordError(f"the record of {self.encoder} on {self.task} holds a number that is not finite.") from error


def metric(value: float, low: float, high: float) -> Metric:
    """A metric for a record; bounds that are NaN become None."""
    return Metric(value=value, low=None if math.isnan(low) else low, high=None if math.isnan(high) else high)


def record_from_json(text: str, where: str) -> Record:
    """The record that a JSON text holds. Raises RecordError that begins with `where`."""
    try:
        table = json.loads(text, parse_constant=_refuse)
        if table.get("schema") not in READABLE:
            raise RecordError(f"{where}: schema {table.get('schema')!r}; this version of repbench reads 1 and {SCHEMA}.")
        _check_digest(text, needed=table["schema"] == SCHEMA)
        table["circumstances"].pop(DIGEST, None)
        table["inputs"] = Inputs(**table["inputs"])
        table["metrics"] = {name: Metric(**value) for name, value in table["metrics"].items()}
        table["deviations"] = tuple(table.get("deviations", ()))
        record = Record(**table)
        _check_kinds(record)
        return record
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RecordError(f"{where}: this is no record of repbench ({error}).") from error


def _stopped(unproven: object) -> str:
    numbers = [one for one in unproven if isinstance(one, int | float)] if isinstance(unproven, list | tuple) else []
    at = f" (at strength {', '.join(f'{one:g}' for one in numbers)})" if numbers else ""
    return f"a fit stopped before it was proven near its optimum{at}"


def _check_digest(text: str, *, needed: bool) -> None:
    """Raise ValueError where a record is not the text that its digest was made of."""
    found = _DIGEST_LINE.search(text)
    if found is None and needed:
        raise ValueError("it is damaged, or was edited: its digest is gone")
    if found and found[2] != digest_text(f"{text[: found.start(2)]}{'0' * LENGTH}{text[found.end(2) :]}"):
        raise ValueError("it is damaged, or was edited: its digest does not match")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of a record")


def _check_kinds(record: Record) -> None:
    """Raise ValueError for a value of another kind than the field's: what others wrote is used in names, tables and pages."""
    inputs = record.inputs
    texts = {name: getattr(record, name) for name in _TEXTS} | {name: getattr(inputs, name) for name in _INPUT_TEXTS}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r}, and no text")
        value.encode()  # a UnicodeEncodeError, which is a ValueError, for half a character
    for name in _TABLES:
        if not isinstance(getattr(record, name), dict):
            raise ValueError(f"{name} is no table")
    numbers = [record.task_version, record.n, inputs.seed, *([] if inputs.limit is None else [inputs.limit])]
    if not all(isinstance(number, int) for number in numbers) or not all(isinstance(one, str) for one in inputs.told):
        raise ValueError("task_version, n, seed and limit are whole numbers, told is a list of texts")
    if not all(isinstance(flag, bool) for flag in (inputs.deviating, record.judges, record.higher_is_better)):
        raise ValueError("deviating, judges and higher_is_better are true or false")
    if not isinstance(record.load_report, dict | None):
        raise ValueError("load_report is no table")
    chances = [*record.chances.values(), *([] if record.chance is None else [record.chance])]
    found = [number for one in record.metrics.values() for number in (one.value, one.low, one.high) if number is not None]
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in (*found, *chances)):
        raise ValueError("metrics and chances are finite numbers")
    if record.status not in (DONE, FAILED) or (record.status == DONE and getattr(record.value, "value", None) is None):
        raise ValueError(f"status is {record.status!r}; expected {DONE!r} with the primary metric, or {FAILED!r}")
    if record.task != f"{record.protocol}/{record.dataset}":
        raise ValueError(f"task is {record.task!r}; expected '{record.protocol}/{record.dataset}'")
