"""The captions of a probe without its images, from whatever file they lie in: JSON, lines of it, CSV, Parquet, or a TOML."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repbench.datasets.dataset import Split
from repbench.datasets.declaration import read_declaration
from repbench.datasets.open import open_dataset
from repbench.datasets.probe import RULES
from repbench.errors import DataError, UsageError, did_you_mean

CHOICE = "one-image-many-captions"
TWO_TRUE = "two-true-captions"
TRUE = ("caption_0", "caption", "true_caption", "correct_caption", "positive_caption", "positive", "true")
SECOND = "caption2"  # beside "caption": another true one, in other words (SugarCrepe++)
FALSE = ("negative_caption", "false_caption", "foil", "negative_captions", "negatives", "false_captions", "foils", "negative",
         "hard_negs", "valid_hard_negs_combined", "valid_hard_negs_atom", "valid_hard_negs_comp")  # fmt: skip
NUMBERED = ("caption_", "hard_text_")  # and a number: negatives, but for caption_0
GROUP = ("filename", "image_path", "image_file", "image_id", "image", "image_0", "url")  # what examples of one image share
SUBSET = ("kind", "subset", "subtype", "type", "category", "tag")


@dataclass(frozen=True, kw_only=True)
class CaptionProbe:
    """Captions of n examples: the true one first, then the negatives; or as the `rule` orders them, where it has several.

    `groups` (n,) says which examples share an image, `subset` (n,) which kind each is of ("" where nothing says it). `split`
    are the examples with their images, where the file is the TOML of a dataset.
    """

    name: str
    rule: str
    images: int
    ids: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    groups: np.ndarray
    subset: np.ndarray
    split: Split | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def candidates(self) -> np.ndarray | None:
        """How many captions each example has, int (n,), where that differs."""
        counts = np.array([len(example) for example in self.captions])
        return counts if counts.min() < counts.max() else None

    def part(self, kept: np.ndarray, name: str) -> CaptionProbe:
        """The examples at `kept`, bool (n,)."""
        places = np.flatnonzero(kept).tolist()
        return CaptionProbe(
            name=name,
            rule=self.rule,
            images=self.images,
            ids=tuple(self.ids[place] for place in places),
            captions=tuple(self.captions[place] for place in places),
            groups=self.groups[places],
            subset=self.subset[places],
            split=None if self.split is None else self.split.take(np.array(places, dtype=np.int64)),
        )


def read_captions(path: Path, names: Mapping[str, str], data: Path | None = None) -> CaptionProbe:
    """The captions of a file. `names` may say which columns are "true", "false", "group" and "subset" where it is not plain.

    Raises UsageError for a file of another kind and for columns that are not there, DataError for one that cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file.")
    if path.suffix == ".toml":
        return _declared(path, data)
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path}: it holds no example.")
    columns = tuple(rows[0][1])
    true, false = _true(columns, names, path), _false(columns, names, path)
    pairs = {"caption_0", "caption_1", "image_0", "image_1"} <= set(columns) and not names.get("true") and len(false) == 1
    two = true == "caption" and SECOND in columns and not names.get("true")
    group, subset = _optional("group", columns, names, GROUP, path), _optional("subset", columns, names, SUBSET, path)
    try:
        captions = tuple((_text(row, true), *([_text(row, SECOND)] if two else []), *_texts(row, false)) for _, row in rows)
        kinds = [str(row[subset]) if subset else "" for _, row in rows]
        groups = [(_text(row, group) if group else "") or identifier for identifier, row in rows]
    except KeyError as error:
        raise DataError(f"{path}: an example lacks the key {error}.") from error
    _check(captions, [identifier for identifier, _ in rows], true, false, 3 if two else 2, path)
    return CaptionProbe(
        name=path.stem,
        rule="winoground" if pairs else TWO_TRUE if two else CHOICE,
        images=2 if pairs else 1,
        ids=tuple(identifier for identifier, _ in rows),
        captions=captions,
        groups=np.array(groups),
        subset=np.array(kinds),
    )


def _check(
    captions: Sequence[tuple[str, ...]], ids: Sequence[str], true: str, false: Sequence[str], least: int, path: Path
) -> None:
    """Raise DataError for an example without a true caption, or with none to choose it from."""
    for example, identifier in zip(captions, ids, strict=True):
        if not all(text.strip() for text in example[: least - 1]):
            raise DataError(f"{path}: the example {identifier} has no true caption in {true}: it is empty.")
        if len(example) < least:
            raise DataError(f"{path}: the example {identifier} has no negative caption in {', '.join(false)}.")


def _declared(path: Path, data: Path | None) -> CaptionProbe:
    """The test split of a dataset that declares a probe; its images are read by who looks at them."""
    declaration = read_declaration(path, path.parent.name)
    probe = declaration.probe
    if probe is None:
        raise UsageError(f"{path}: {declaration.name} is no probe: it has no section [probe].")
    test = open_dataset(declaration, data, deviating=True).splits["test"]
    names = probe.captions_of(declaration.columns)
    if len(names) < 2:
        raise UsageError(f"{path}: the rule {probe.rule} has one caption an example, so there is none to choose.")
    counts = test.columns[probe.candidates].astype(int) if probe.candidates else np.full(len(test), len(names))
    captions = zip(*(test.columns[name].tolist() for name in names), strict=True)
    return CaptionProbe(
        name=declaration.name,
        rule=probe.rule,
        images=RULES[probe.rule].images,
        ids=tuple(test.ids.astype(str).tolist()),
        captions=tuple(example[:count] for example, count in zip(captions, counts.tolist(), strict=True)),
        groups=(test.columns[declaration.cluster] if declaration.cluster else test.ids).astype(str),
        subset=test.columns[probe.subset].astype(str) if probe.subset else np.full(len(test), ""),
        split=test,
    )


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Identifier and values of every example of a JSON, CSV or Parquet file."""
    try:
        if path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".jsonl":
            found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        elif path.suffix in (".csv", ".tsv"):
            import pandas as pd

            found = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
            found = found.to_dict("records")
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            fields = pq.read_schema(path)
            media = {field.name: None for field in fields if "binary" in str(field.type) or "struct" in str(field.type)}
            texts = [name for name in fields.names if name not in media]
            found = [{**row, **media} for row in pq.read_table(path, columns=texts).to_pylist()]  # no image is read
        else:
            raise UsageError(f"{path}: expected a file .json, .jsonl, .csv, .tsv, .parquet, or the .toml of a dataset.")
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: it cannot be read ({error}).") from error
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else [(0, found)]
    rows = [(str(identifier), _named(row)) for identifier, row in pairs]
    if not all(isinstance(row, dict) for _, row in rows):
        raise DataError(f"{path}: expected a list or an object of examples, each an object with its captions.")
    return rows


def _named(row: Any) -> Any:
    """A row by names: What'sUp's lists (image, true caption, false one) and options, ColorSwap's pairs counted from one."""
    if isinstance(row, list) and len(row) > 2 and all(isinstance(one, str) for one in row[1:]):
        return {"image": str(row[0]), **{f"caption_{k}": text for k, text in enumerate(row[1:])}}
    if not isinstance(row, dict):
        return row
    if isinstance(options := row.get("caption_options"), list):
        kept = {name: value for name, value in row.items() if name != "caption_options"}
        return {**kept, **{f"caption_{k}": text for k, text in enumerate(options)}}
    if {"caption_1", "caption_2"} <= set(row) and not {"caption_0", "caption"} & set(row):
        return {FROM_ONE.get(name, name): value for name, value in row.items()}
    return row


FROM_ONE = {"caption_1": "caption_0", "caption_2": "caption_1", "image_1": "image_0", "image_2": "image_1"}


def _true(columns: Sequence[str], names: Mapping[str, str], path: Path) -> str:
    wanted = [names["true"]] if names.get("true") else TRUE
    found = next((name for name in wanted if name in columns), None)
    if found is None:
        raise UsageError(_lacks(path, "the true caption", wanted, columns, "--true COLUMN"))
    return found


def _false(columns: Sequence[str], names: Mapping[str, str], path: Path) -> list[str]:
    if names.get("false"):
        found = [name.strip() for name in names["false"].split(",")]
        if missing := [name for name in found if name not in columns]:
            raise UsageError(_lacks(path, "the negative caption", missing, columns, "--false COLUMN[,COLUMN]"))
        return found
    numbered = [
        name for name in columns if name.startswith(NUMBERED) and name.rpartition("_")[2].isdigit() and name != "caption_0"
    ]
    found = numbered or [name for name in FALSE if name in columns][:1]
    if not found:
        raise UsageError(_lacks(path, "the negative caption", FALSE, columns, "--false COLUMN[,COLUMN]"))
    return found


def _optional(what: str, columns: Sequence[str], names: Mapping[str, str], known: Sequence[str], path: Path) -> str:
    if given := names.get(what):
        if given not in columns:
            raise UsageError(f"{path}: no column {given!r}.{did_you_mean(given, columns)}")
        return given
    return next((name for name in known if name in columns), "")


def _text(row: Mapping[str, Any], column: str) -> str:
    """The text of a column; "" where it holds none."""
    value = row[column]
    return "" if value is None else str(value)


def _texts(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """The texts of some columns, of which each holds one, a list, or a list in writing, as tables keep them."""
    found: list[str] = []
    for name in columns:
        value = row[name]
        if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):  # then it is a text in brackets
                value = ast.literal_eval(value)
        found += [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)] if value else []
    return found


def _lacks(path: Path, what: str, wanted: Sequence[str], columns: Sequence[str], option: str) -> str:
    return (
        f"{path}: no column holds {what} (looked for {', '.join(wanted)}; there are {', '.join(map(str, columns))}). "
        f"Name it: {option}."
    )
