"""Damage to a record or its examples: whatever byte is changed and wherever the file ends, it is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repbench.errors import RecordError
from repbench.results.files import read_examples, read_record, read_records, write_record
from repbench.results.record import DONE, FAILED, Inputs, Metric, Record, record_from_json

INPUTS = Inputs(
    encoder_fingerprint="f" * 32,
    task_digest="t" * 32,
    dataset_fingerprint="d" * 32,
    seed=0,
    precision="fp32",
    limit=None,
    on_bad_item="fail",
)
RECORD = Record(
    status=DONE,
    encoder="e",
    encoder_kind="control",
    task="knn/x",
    protocol="knn",
    dataset="x",
    inputs=INPUTS,
    task_version=1,
    options={"k": 20},
    primary="accuracy",
    metrics={"accuracy": Metric(value=0.5, low=0.25, high=0.75)},
    n=4,
    notes={"é": "a note\nof two lines"},
    circumstances={"device": "cpu", "command": "repbench run e"},
)
EXAMPLES = pd.DataFrame({"id": list("abcd"), "correct": [1, 0, 1, 0]})


def test_every_byte_of_a_record_is_vouched_for(tmp_path: Path) -> None:
    path = write_record(tmp_path, RECORD, EXAMPLES)
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    assert read_record(tmp_path, "e", "knn/x", INPUTS) is not None
    for place in range(len(whole)):
        hurt = bytearray(whole)
        hurt[place] ^= int(generator.integers(1, 256))
        path.write_bytes(bytes(hurt))
        with pytest.raises(RecordError):
            read_record(tmp_path, "e", "knn/x", INPUTS)
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(RecordError):
            list(read_records(tmp_path))


def test_every_byte_of_the_examples_is_vouched_for(tmp_path: Path) -> None:
    path = write_record(tmp_path, RECORD, EXAMPLES).with_suffix(".parquet")
    record = read_record(tmp_path, "e", "knn/x", INPUTS)
    assert record is not None
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    for place in range(0, len(whole), 3):
        hurt = bytearray(whole)
        hurt[place] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(bytes(hurt) if place % 2 else whole[:place])
        with pytest.raises(RecordError, match="the examples are damaged"):
            read_examples(tmp_path, record)
        with pytest.raises(RecordError, match="the examples are damaged"):
            read_record(tmp_path, "e", "knn/x", INPUTS)
    path.unlink()
    assert read_record(tmp_path, "e", "knn/x", INPUTS) is None


def test_equal_results_differ_in_the_circumstances_alone(tmp_path: Path) -> None:
    texts = []
    for name, command in (("a", "one"), ("b", "other")):
        record = replace(RECORD, circumstances={"command": command})
        table = json.loads(write_record(tmp_path / name, record, EXAMPLES).read_text())
        assert table["circumstances"].pop("examples")
        assert table["circumstances"].pop("record_digest")
        assert table.pop("circumstances") == {"command": command}
        texts.append(json.dumps(table))
    assert texts[0] == texts[1]


def test_a_record_of_the_schema_before_has_no_digest_and_is_read() -> None:
    table = json.loads(RECORD.to_json())
    del table["circumstances"]["record_digest"]
    with pytest.raises(RecordError, match="its digest is gone"):
        record_from_json(json.dumps(table), "file")
    assert record_from_json(json.dumps({**table, "schema": 1}), "file").metrics == RECORD.metrics


def test_a_failed_record_is_vouched_for_too(tmp_path: Path) -> None:
    path = write_record(tmp_path, replace(RECORD, status=FAILED, metrics={}, reason="why"), None)
    path.write_text(path.read_text().replace("why", "who"))
    with pytest.raises(RecordError, match="its digest does not match"):
        list(read_records(tmp_path))
