"""Input on which a number would mislead: the outcome marks it, or says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import repbench
from repbench.embeddings.embedded import Embeddings, TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.protocols.groups import Groups
from repbench.protocols.lidar import Lidar
from repbench.protocols.spectrum import SpectrumOfEmbeddings
from repbench.results.files import read_records


def reported(x: np.ndarray, **columns: np.ndarray) -> TestSplit:
    ids = np.array([f"i{place:04d}" for place in range(len(x))])
    return TestSplit(x=x, ids=ids, columns=columns, class_names=("a", "b"), truth=np.arange(len(x)) % 2)


def asked(*test: TestSplit) -> Embeddings:
    return Embeddings(tuning=(), test=test, metric="accuracy")


def test_a_group_of_fewer_than_ten_is_reported_and_not_ranked() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(120) % 2
    x = (3 * (2 * label - 1)[:, None] + rng.normal(size=(120, 4))).astype(np.float32)
    light = np.where(np.arange(120) < 9, "dusk", np.where(np.arange(120) < 60, "day", "night"))
    wrong = x.copy()
    wrong[:9] *= -1  # the small group is the worst by far
    train = TuningSplit(x=x, ids=np.array([f"t{one}" for one in range(120)]), columns={}, class_names=("a", "b"), label=label)
    got = Embeddings(tuning=(train, train), test=(reported(wrong, light=light),), metric="accuracy", factors=("light",))
    outcome = Groups().score(got, 0)
    found = {one["value"]: one for one in outcome.diagnostics["groups"]["light"]}
    assert (found["dusk"]["n"], found["dusk"]["accuracy"]) == (9, pytest.approx(0, abs=0.2))
    assert outcome.metrics["worst-group-accuracy"].value > 0.9
    small = Embeddings(
        tuning=(train, train),
        test=(reported(x[:18], light=np.repeat(["day", "dusk"], 9)),),
        metric="accuracy",
        factors=("light",),
    )
    with pytest.raises(ProtocolError, match="no group of light has 10 examples"):
        Groups().score(small, 0)


def test_a_spectrum_of_fewer_rows_than_dimensions_says_so_and_is_bounded_by_the_rows() -> None:
    x = np.random.default_rng(1).normal(size=(12, 64)).astype(np.float32)
    outcome = SpectrumOfEmbeddings().score(asked(reported(x)), 0)
    assert outcome.diagnostics["fewer_rows_than_dimensions"]
    assert 1 <= outcome.metrics["rankme"].value <= 12
    assert outcome.metrics["variance-rank"].value <= 11  # the mean takes one


def test_a_spectrum_of_equal_rows_is_marked_and_has_no_metric_of_variance() -> None:
    outcome = SpectrumOfEmbeddings().score(asked(reported(np.ones((30, 8), dtype=np.float32))), 0)
    assert outcome.diagnostics["collapsed"]
    assert outcome.metrics["rankme"].value == pytest.approx(1, abs=1e-4)
    assert not {"variance-rank", "nesum", "participation-ratio", "alpha-req"} & outcome.metrics.keys()
    assert all(np.isfinite(one.value) for one in outcome.metrics.values())


def test_a_spectrum_of_zeros_is_refused_in_words() -> None:
    with pytest.raises(ProtocolError, match="all 30 embeddings are zero vectors"):
        SpectrumOfEmbeddings().score(asked(reported(np.zeros((30, 8), dtype=np.float32))), 0)


def test_lidar_of_equal_rows_is_one_and_of_few_rows_is_bounded_by_the_items() -> None:
    equal = np.ones((16, 8), dtype=np.float32)
    outcome = Lidar().score(asked(reported(np.repeat(equal[:, None], 2, axis=1)), reported(equal)), 0)
    assert outcome.metrics["lidar"].value == pytest.approx(1)
    assert outcome.diagnostics["collapsed"]
    plain = np.random.default_rng(2).normal(size=(16, 64)).astype(np.float32)
    crops = plain[:, None] + 0.1 * np.random.default_rng(3).normal(size=(16, 2, 64)).astype(np.float32)
    outcome = Lidar().score(asked(reported(crops), reported(plain)), 0)
    assert 1 < outcome.metrics["lidar"].value <= 15.01
    assert not outcome.diagnostics["collapsed"]
    assert all(np.isfinite(one.value) for one in outcome.metrics.values())


def test_a_reader_is_told_of_a_collapsed_encoder_and_of_a_metric_that_is_undefined(tmp_path: Path) -> None:
    found = repbench.evaluate(
        "control:constant", "alignment-uniformity/digits,spectrum/digits,lidar/digits", out=tmp_path, limit=20, quiet=True
    )
    assert len(found)
    warned = {record.protocol: record.warnings for record in read_records(tmp_path)}
    assert all("collapsed: the embeddings are all (nearly) one point" in " ".join(own) for own in warned.values())


def test_a_reader_is_told_of_a_spectrum_of_fewer_rows_than_dimensions(tmp_path: Path) -> None:
    repbench.evaluate("control:pixels,size=16", "spectrum/digits", out=tmp_path, limit=20, quiet=True)
    (record,) = read_records(tmp_path)
    assert any(word.startswith("fewer rows than dimensions") for word in record.warnings)
