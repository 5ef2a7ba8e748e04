"""Boards against each other: gains, paired tests against SciPy, gates that shut only where a drop is real."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, ttest_rel

from repbench import cli
from repbench.errors import UnknownNameError, UsageError
from repbench.leaderboard.differences import class_differences, differences, side
from repbench.leaderboard.gather import open_board
from repbench.measure.significance import holm
from repbench.results.files import write_record
from repbench.results.record import DONE, Inputs, Metric, Record

N = 400
TASKS = ("knn/x", "linear-probe/x", "zero-shot/x")


def inputs(network: str, **changes: object) -> Inputs:
    made = Inputs(
        encoder_fingerprint=network, task_digest="t", dataset_fingerprint="d", seed=0, precision="fp32", limit=None,
        on_bad_item="fail",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def write(folder: Path, encoder: str, task: str, hits: np.ndarray, **changes: object) -> None:
    """A record of accuracies of two classes, one example a hit or miss."""
    truth = np.where(np.arange(len(hits)) % 2, "dog", "cat")
    other = np.where(truth == "dog", "cat", "dog")
    examples = pd.DataFrame(
        {
            "id": [f"e{place:04d}" for place in range(len(hits))],
            "truth": truth,
            "prediction": np.where(hits, truth, other),
            "score": hits.astype(float),
            "tied": False,
        }
    )
    protocol, dataset = task.split("/")
    record = Record(
        status=DONE, encoder=encoder, encoder_kind="encoder", task=task, protocol=protocol, dataset=dataset,
        inputs=inputs(encoder), task_version=1, options={}, primary="accuracy",
        metrics={"accuracy": Metric(value=float(hits.mean()), low=None, high=None)}, n=len(hits), chance=0.5,
    )  # fmt: skip
    write_record(folder, replace(record, **changes), examples)  # type: ignore[arg-type]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Old and new results of one encoder: much worse, alike, and much better."""
    rng = np.random.default_rng(0)
    hits = {}
    for task, (before, after) in zip(TASKS, ((0.8, 0.6), (0.7, 0.7), (0.5, 0.75)), strict=True):
        hits[task] = rng.random(N) < before, rng.random(N) < after
        write(tmp_path / "old", "net", task, hits[task][0])
        write(tmp_path / "new", "net", task, hits[task][1])
    return tmp_path / "old", tmp_path / "new", hits


def test_gains_and_p_values_are_those_of_scipy(folders: tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]]) -> None:
    old, new, hits = folders
    found = differences(side(*open_board([old])), side(*open_board([new])))
    assert [one.name for one in found] == list(TASKS)
    exact = []
    for one in found:
        before, after = (values.astype(float) for values in hits[one.name])
        assert one.gain == pytest.approx(after.mean() - before.mean())
        test = ttest_rel(after, before)  # same standard error; its interval has t instead of normal quantiles
        low, high = test.confidence_interval(0.95)
        assert (one.low, one.high) == pytest.approx((low, high), abs=1e-3)
        wins, losses = int((after > before).sum()), int((before > after).sum())
        exact.append(binomtest(wins, wins + losses).pvalue)
    assert [one.p for one in found] == pytest.approx(holm(np.array(exact)).tolist())
    assert [one.verdict for one in found] == ["worse", "no difference shown", "better"]


def test_a_loss_gains_where_it_falls(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for folder, mean in (("old", 1.0), ("new", 0.5)):
        values = rng.normal(mean, 0.3, N)
        examples = pd.DataFrame({"id": np.arange(N).astype(str), "score": values})
        write(tmp_path / folder, "net", "knn/x", np.ones(N, bool))
        board, _ = open_board([tmp_path / folder])
        loss = replace(
            board.done[0], primary="loss", higher_is_better=False,
            metrics={"loss": Metric(value=float(values.mean()), low=None, high=None)},
        )  # fmt: skip
        write_record(tmp_path / folder, loss, examples)
    (one,) = differences(side(*open_board([tmp_path / "old"])), side(*open_board([tmp_path / "new"])))
    assert one.gain == pytest.approx(0.5, abs=0.06)
    assert one.verdict == "better"


def test_classes_are_compared_on_their_own_examples(
    folders: tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]],
) -> None:
    old, new, hits = folders
    found = class_differences(side(*open_board([old])), side(*open_board([new])), "knn/x")
    before, after = hits["knn/x"]
    assert [one.name for one in found] == ["cat", "dog"]
    assert [one.gain for one in found] == pytest.approx([after[s::2].mean() - before[s::2].mean() for s in (0, 1)])
    assert [one.n for one in found] == [N // 2, N // 2]
    with pytest.raises(UnknownNameError, match="unknown task 'knn/y'"):
        class_differences(side(*open_board([old])), side(*open_board([new])), "knn/y")


def test_unlike_records_are_not_tested(tmp_path: Path) -> None:
    hits = np.random.default_rng(2).random(N) < 0.5
    write(tmp_path / "old", "net", "knn/x", hits)
    write(tmp_path / "new", "net", "knn/x", hits, inputs=inputs("net", dataset_fingerprint="other"))
    write(tmp_path / "new", "net", "knn/y", hits)
    x, y = differences(side(*open_board([tmp_path / "old"])), side(*open_board([tmp_path / "new"])))
    assert x.verdict == "not comparable: another version of the task, its options or its data"
    assert y.verdict == "missing in the old one"


def test_several_encoders_ask_which(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path, name, "knn/x", np.ones(10, bool))
    with pytest.raises(UsageError, match=r"which encoder\? There are 2: a, b"):
        side(*open_board([tmp_path]))
    with pytest.raises(UnknownNameError, match="unknown encoder 'c'"):
        side(*open_board([tmp_path]), "c")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["repbench", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_gate_shuts_where_a_drop_is_real_and_only_there(
    folders: tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = map(str, folders[:2])
    assert call(monkeypatch, "gate", new, "--baseline", old) == 1
    told = capsys.readouterr()
    assert "gate: knn/x: significantly worse by 0." in told.err
    assert told.err.count("gate:") == 1
    assert call(monkeypatch, "gate", new, "--baseline", old, "--max-drop", "0.5") == 0
    assert call(monkeypatch, "gate", new, "--baseline", old, "--tasks", "linear-probe/*,zero-shot/*") == 0
    assert call(monkeypatch, "gate", old, "--baseline", old) == 0
    assert call(monkeypatch, "gate", new, "--baseline", old, "--tasks", "nothing/*") == 2


def test_a_task_that_is_missing_shuts_the_gate(
    folders: tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = folders[:2]
    (gone,) = new.glob("*/*/zero-shot/x.json")
    gone.unlink()
    assert call(monkeypatch, "gate", str(new), "--baseline", str(old), "--tasks", "zero-shot/x") == 1
    assert "gate: zero-shot/x: missing in the new one" in capsys.readouterr().err


def test_diff_compare_and_show_print_tables_and_json(
    folders: tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = map(str, folders[:2])
    assert call(monkeypatch, "diff", old, new) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed  # no colours in a pipe
    assert "no difference shown" in printed
    assert call(monkeypatch, "diff", old, new, "--json") == 0
    assert json.loads(capsys.readouterr().out)["differences"][0]["verdict"] == "worse"
    write(Path(new), "rival", "knn/x", np.ones(N, bool))
    assert call(monkeypatch, "compare", "net", "rival", new, "--classes", "knn/x") == 0
    assert "cat" in capsys.readouterr().out
    assert call(monkeypatch, "show", new) == 0
    assert "rival" in capsys.readouterr().out
    assert call(monkeypatch, "show", new, "--json") == 0
    assert {row["encoder"] for row in json.loads(capsys.readouterr().out)["wide"]} == {"net", "rival"}


def test_a_narrow_terminal_gets_the_board_in_blocks(
    folders: tuple[Path, Path, dict[str, tuple[np.ndarray, np.ndarray]]],
) -> None:
    from repbench.leaderboard.terminal import board_text

    for place in range(6):
        write(folders[0], f"an-encoder-with-a-name-{place}", "knn/x", np.ones(N, bool))
    board, _ = open_board([folders[0]])
    text = board_text(board, {}, width=110)
    assert max(map(len, text.splitlines())) <= 110
    assert text.count("linear-probe/x") > 1
    assert board_text(board, {}, width=10_000).count("linear-probe/x") == 1
