"""Tables from records: fixed order, same bytes, unlike rows never mixed, hostile names harmless."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from repbench.errors import RecordError
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.judge import Verdict
from repbench.leaderboard.latex import latex
from repbench.leaderboard.long import LONG_COLUMNS, long_table
from repbench.leaderboard.publish import csv_text, markdown, publish
from repbench.leaderboard.published import all_tables, with_published
from repbench.leaderboard.tables import (
    common_line,
    common_tasks,
    make_board,
    means_line,
    stale_lines,
    wide_table,
)
from repbench.leaderboard.terminal import board_text
from repbench.leaderboard.wide_rows import with_failures
from repbench.results.files import encoder_folder, read_record, read_records, write_record
from repbench.results.record import DONE, FAILED, Inputs, Metric, Record

INPUTS = Inputs(
    encoder_fingerprint="e",
    task_digest="t",
    dataset_fingerprint="d",
    seed=0,
    precision="fp32",
    limit=None,
    on_bad_item="fail",
)


def record(encoder: str, task: str, value: float, **changes: object) -> Record:
    protocol, dataset = task.split("/")
    made = Record(
        status=DONE,
        encoder=encoder,
        encoder_kind="control" if encoder.startswith("control") else "encoder",
        task=task,
        protocol=protocol,
        dataset=dataset,
        inputs=INPUTS,
        task_version=1,
        options={},
        primary="accuracy",
        metrics={
            "accuracy": Metric(value=value, low=value - 0.1, high=None),
            "mean-per-class": Metric(value=0.5, low=0.4, high=0.6),
        },
        n=10,
        chance=0.1,
        chances={"mean-per-class": 0.2},
        versions={"repbench": "9.9"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


RECORDS = [
    record("b", "knn/x", 0.8),
    record("a", "knn/x", 0.6),
    record("control:random", "knn/x", 0.1),
    record("a", "linear-probe/x", 0.9),
    record("b", "linear-probe/x", 0.7),
    record(
        "a",
        "alignment-uniformity/x",
        -1.0,
        primary="loss",
        higher_is_better=False,
        metrics={"loss": Metric(value=-1.0, low=None, high=None)},
    ),
    record(
        "b",
        "alignment-uniformity/x",
        -2.0,
        primary="loss",
        higher_is_better=False,
        metrics={"loss": Metric(value=-2.0, low=None, high=None)},
    ),
]


def test_the_wide_table_has_a_row_an_encoder_and_a_column_a_task() -> None:
    table = wide_table(make_board(RECORDS)).set_index("encoder")
    tasks = ["alignment-uniformity/x", "knn/x", "linear-probe/x"]
    places = ["place_low", "place_high", "drop_low", "drop_high"]
    aggregates = ["tasks", "common_mean", "common_rank", "mean", "normalised_mean", "mean_rank", "borda", *places]
    assert list(table.columns) == ["kind", *tasks, *aggregates]
    assert list(table.index) == ["b", "a", "control:random"]
    assert table.loc["a", "mean"] == pytest.approx(0.75)  # the loss is no share of right answers
    assert table.loc["a", "mean_rank"] == pytest.approx((2 + 1 + 2) / 3)
    assert table.loc["b", "mean_rank"] == pytest.approx((1 + 2 + 1) / 3)
    assert table.loc["control:random", "tasks"] == 1
    assert pd.isna(table.loc["control:random", "linear-probe/x"])


def test_means_over_unlike_tasks_are_set_beside_the_common_ones() -> None:
    easy = [record("wide", f"knn/{task}", 0.9) for task in ("x", "y")]
    hard = [record(name, f"knn/h{place}", value) for name, value in (("wide", 0.3), ("narrow", 0.4)) for place in range(3)]
    board = make_board([*easy, *hard, record("single", "knn/x", 0.95)])
    table = wide_table(board).set_index("encoder")
    assert common_tasks(board) == ["knn/h0", "knn/h1", "knn/h2"]  # the one with a single task does not empty the set
    assert table.loc["wide", "mean"] > table.loc["narrow", "mean"]  # type: ignore[operator]
    assert table.loc[["narrow", "wide"], "common_mean"].tolist() == pytest.approx([0.4, 0.3])
    assert table.loc[["narrow", "wide"], "common_rank"].tolist() == [1.0, 2.0]
    assert list(table.index) == ["narrow", "wide", "single"]
    assert table.loc["single", ["common_mean", "common_rank", "place_low"]].isna().all()
    assert "over the 3 of 5 tasks that 2 of the 3 rows share" in markdown(board)
    assert common_line(make_board(hard)) == ""


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    table = wide_table(make_board([record(name, "knn/x", 0.5) for name in "abc"])).set_index("encoder")
    assert table["mean_rank"].tolist() == [2.0, 2.0, 2.0]


def test_the_long_table_has_the_promised_columns_and_the_primary_metric_first() -> None:
    table = long_table(make_board(RECORDS))
    assert tuple(table.columns) == LONG_COLUMNS
    rows = table[(table.encoder == "a") & (table.task == "knn/x")]
    assert rows.metric.tolist() == ["accuracy", "mean-per-class"]
    assert rows.chance.tolist() == [0.1, 0.2]


def test_the_same_records_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for seed in range(3):
        shuffled = RECORDS.copy()
        random.Random(seed).shuffle(shuffled)
        contents.append([path.read_bytes() for path in publish(make_board(shuffled), tmp_path / str(seed))])
    assert contents[0] == contents[1] == contents[2]


def test_unlike_rows_are_set_apart_and_never_averaged() -> None:
    old = record("old", "knn/x", 0.99, inputs=replace(INPUTS, task_digest="another"))
    quick = record("quick", "knn/x", 0.99, inputs=replace(INPUTS, limit=5))
    board = make_board([*RECORDS, old, quick])
    assert {one.encoder for one in board.stale} == {"old", "quick"}
    assert "old" not in set(wide_table(board).encoder)
    assert "- old on knn/x: another version of the task, its options or its data than the other rows" in markdown(board)
    assert "- quick on knn/x: a quick look (--limit 5)" in markdown(board)


def test_rows_of_other_prompts_are_left_out_with_that_reason() -> None:
    own = [record(name, "zero-shot/x", 0.9, inputs=replace(INPUTS, dataset_fingerprint="own", prompts="1f00")) for name in "a"]
    rows = [record(name, "zero-shot/x", 0.5) for name in ("b", "c")]
    (line,) = stale_lines(make_board([*own, *rows]))
    assert line.endswith(
        "the prompts 1f00 of a file, where the other rows have the dataset's prompts; a board of runs with the same prompts"
        " compares them"
    )
    assert stale_lines(make_board(own)) == []


def test_how_many_tasks_are_in_means_is_said_where_not_all_are() -> None:
    brier = record("a", "calibration/x", 0.2, higher_is_better=False)
    assert means_line(make_board([record("a", "knn/x", 0.5)])) == ""
    line = means_line(make_board([record("a", "knn/x", 0.5), brier]))
    assert line == "Means are over the 1 of 2 tasks that score a share of right answers."


def test_a_full_result_never_loses_to_quick_looks_of_its_task() -> None:
    looks = [record(name, "knn/x", 0.9, inputs=replace(INPUTS, limit=5)) for name in "xyz"]
    board = make_board([*looks, record("full", "knn/x", 0.5)])
    assert [one.encoder for one in board.done] == ["full"]
    assert board.limits == {}
    assert len(board.stale) == 3


def test_a_task_of_which_all_rows_have_one_limit_is_ranked_and_every_title_says_of_how_many(tmp_path: Path) -> None:
    few = [record(name, "knn/x", value, inputs=replace(INPUTS, limit=6000)) for name, value in (("a", 0.7), ("b", 0.6))]
    other = record("c", "knn/x", 0.9, inputs=replace(INPUTS, limit=9))
    full = [record(name, "linear-probe/x", 0.5) for name in "ab"]
    board = make_board([*few, other, *full])
    assert board.limits == {"knn/x": 6000}
    assert [one.encoder for one in board.stale] == ["c"]
    assert wide_table(board).set_index("encoder")["common_rank"].to_dict() == {"a": 1.25, "b": 1.75}
    publish(board, tmp_path)
    title = "knn/x (of 6,000 examples)"
    said = f"Not of all examples: {title.replace('(', '').replace(')', '')}, at most so many a split (or one a class)"
    assert title in pd.read_csv(tmp_path / "leaderboard.csv").columns
    for text in (markdown(board), board_text(board, {}, 200), (tmp_path / "leaderboard.tex").read_text()):
        assert title in text
        assert said in text
    assert "- c on knn/x: a quick look (--limit 9)" in markdown(board)
    page = (tmp_path / "leaderboard.html").read_text()
    assert said in page
    assert page.count('"of":"of 6,000 examples"') == 1
    assert "| linear-probe/x " in markdown(board)


def test_a_board_of_quick_looks_says_so(tmp_path: Path) -> None:
    looks = [record("a", task, 0.9, inputs=replace(INPUTS, limit=5)) for task in ("knn/x", "knn/y")]
    board = make_board([*looks, record("b", "knn/y", 0.5, inputs=replace(INPUTS, limit=9))])
    assert board.limits == {"knn/x": 5, "knn/y": 9}
    board = make_board([*looks, *looks, record("b", "knn/x", 0.5, inputs=replace(INPUTS, limit=5))])
    assert board.limits == {"knn/x": 5, "knn/y": 5}
    assert "A quick look: at most 5 examples a split" in markdown(board)
    publish(with_published(board, all_tables()), tmp_path)
    said = "A quick look: at most 5 examples a split (or one a class)."
    assert board_text(board, {}, 200).startswith(f"{said}\n\n")
    assert f"% {said}\n" in (tmp_path / "leaderboard.tex").read_text()
    assert {f"knn/{name} (of 5 examples)" for name in "xy"} <= set(pd.read_csv(tmp_path / "leaderboard.csv").columns)
    full = make_board([record("a", "knn/x", 0.9)])
    publish(full, tmp_path)
    assert "knn/x" in pd.read_csv(tmp_path / "leaderboard.csv").columns
    assert "quick look" not in board_text(full, {}, 200)


def test_a_copy_that_was_refused_and_then_taken_is_no_failure_any_more() -> None:
    """Refused: nothing is known of the data, and the row has no mark yet."""
    unread = replace(INPUTS, dataset_fingerprint="")
    refused = record("a", "knn/x", 0.0, status=FAILED, reason="JPEG", metrics={}, primary="", inputs=unread)
    taken = record("a", "knn/x", 0.6, inputs=replace(INPUTS, deviating=True))
    board = make_board([refused, taken])
    assert [one.encoder for one in board.done] == ["a [deviating]"]
    assert board.failed == ()
    others = [
        record("b", "knn/x", 0.6, inputs=replace(INPUTS, deviating=True)),
        record("a", "knn/y", 0.6, inputs=replace(INPUTS, deviating=True)),
        record("a", "knn/x", 0.6, inputs=replace(INPUTS, deviating=True, seed=1)),
        record("a", "knn/x", 0.6, inputs=replace(INPUTS, deviating=True, encoder_fingerprint="f")),
    ]
    for other in others:
        assert len(make_board([refused, other]).failed) == 1
    broken = replace(refused, inputs=replace(INPUTS, dataset_fingerprint="d"), reason="NaN")
    assert len(make_board([broken, taken]).failed) == 1


def test_two_networks_of_one_name_are_two_rows() -> None:
    one = replace(INPUTS, encoder_fingerprint="1111111122")
    other = replace(INPUTS, encoder_fingerprint="2222222233")
    board = make_board([record("ckpt.pt", "knn/x", 0.9, inputs=one), record("ckpt.pt", "linear-probe/x", 0.5, inputs=other)])
    assert wide_table(board).encoder.tolist() == ["ckpt.pt [11111111]", "ckpt.pt [22222222]"]


def test_seeds_and_precisions_are_rows_of_their_own() -> None:
    seed, half = replace(INPUTS, seed=1), replace(INPUTS, precision="bf16")
    board = make_board([record("a", "knn/x", 0.9, inputs=inputs) for inputs in (INPUTS, seed, half)])
    assert sorted(wide_table(board).encoder) == ["a", "a [bf16]", "a [seed 1]"]


def test_the_examples_of_a_renamed_row_are_found(tmp_path: Path) -> None:
    examples = pd.DataFrame({"id": ["i"], "score": [1.0]})
    for fingerprint, value in (("1" * 12, 0.9), ("2" * 12, 0.5)):
        inputs = replace(INPUTS, encoder_fingerprint=fingerprint)
        write_record(tmp_path, record("ckpt.pt", "knn/x", value, inputs=inputs), examples.assign(score=value))
    board, read = open_board([tmp_path])
    assert [float(read(one).score.iloc[0]) for one in board.done] == [0.9, 0.5]  # type: ignore[union-attr]


def test_the_same_record_in_two_folders_counts_once() -> None:
    board = make_board([*RECORDS, *RECORDS])
    assert len(board.done) == len(RECORDS)


def test_an_encoder_that_only_fails_has_an_empty_row_in_both_tables() -> None:
    broken = record("broken", "knn/x", 0.0, status=FAILED, reason="NaN", metrics={}, primary="")
    board = make_board([*RECORDS, broken])
    wide = csv_text(with_failures(wide_table(board), board))
    assert wide.splitlines()[-1].startswith("broken,encoder,,,,0,,")
    long = long_table(board)
    (row,) = long[long.encoder == "broken"].to_dict("records")
    assert (row["task"], row["metric"]) == ("knn/x", "failed")
    assert pd.isna(row["value"])


def test_failures_are_told_and_a_missing_modality_is_only_a_gap() -> None:
    broken = record("c", "knn/x", 0.0, status=FAILED, reason="NaN | everywhere", metrics={})
    unfit = record("c", "zero-shot/x", 0.0, status=FAILED, reason="missing modality: text", metrics={})
    text = markdown(make_board([*RECORDS, broken, unfit]))
    assert "- knn/x: NaN \\| everywhere (c)" in text
    assert "missing modality" not in text


def test_a_name_that_a_spreadsheet_would_run_is_quoted() -> None:
    text = csv_text(wide_table(make_board([record("=HYPERLINK(1)", "knn/x", 0.5)])))
    assert "\n'=HYPERLINK(1)," in text


def test_the_paper_table_is_escaped_and_bold_where_the_tests_say_so() -> None:
    board = make_board([record("a_b&c", "knn/x", 0.8), record("d", "knn/x", 0.5), record("d", "knn/y", 0.5)])
    text = latex(board, {("a_b&c", "knn/x"): Verdict(low=None, high=None, tested=True, bold=True)})
    lines = text.splitlines()
    assert r"task & a\_b\&c & d \\" in lines
    assert r"knn/x & \textbf{0.800} & 0.500 \\" in lines
    assert r"knn/y & -- & 0.500 \\" in lines
    assert [line for line in lines if "rule" in line] == ["\\toprule", "\\midrule", "\\midrule", "\\bottomrule"]


def test_hostile_names_are_escaped_in_the_page(tmp_path: Path) -> None:
    name = '<script>alert("x")</script>'
    page = publish(make_board([record(name, "knn/x", 0.5)]), tmp_path)[-1].read_text()
    assert name not in page
    assert "\\u003cscript\\u003e" in page


def test_many_encoders_are_printed_one_a_row() -> None:
    board = make_board([record(f"encoder-{place}", "knn/x", place / 20) for place in range(12)])
    assert board_text(board, {}, 10_000).splitlines()[0].split()[::7] == ["encoder", "knn/x"]
    assert "| encoder | knn/x |" in markdown(board)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    examples = pd.DataFrame({"id": ["p", "q"], "score": [1.0, 0.0]})
    path = write_record(tmp_path, RECORDS[0], examples)
    read = read_record(tmp_path, "b", "knn/x", INPUTS)
    assert read is not None
    assert read.circumstances.keys() == {*RECORDS[0].circumstances, "examples"}
    assert replace(read, circumstances=RECORDS[0].circumstances) == RECORDS[0]
    assert pd.read_parquet(path.with_suffix(".parquet")).equals(examples)
    assert list(read_records(tmp_path)) == [read]


def test_a_number_that_is_not_finite_never_reaches_the_disk(tmp_path: Path) -> None:
    bad = replace(RECORDS[0], metrics={"accuracy": Metric(value=float("nan"), low=None, high=None)})
    with pytest.raises(RecordError, match="not finite"):
        write_record(tmp_path, bad, None)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}', '{"schema": 1, "inputs": {}}'])
def test_a_file_that_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e" / "network" / "knn" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(RecordError, match=r"knn/x.json: "):
        list(read_records(tmp_path))


def test_encoder_names_make_safe_and_distinct_folders() -> None:
    names = ["../../etc/passwd", "a/b", "a:b", "a b", ".", "..", "timm:resnet50", "x" * 300]
    folders = [encoder_folder(name) for name in names]
    assert len(set(folders)) == len(names)
    assert all("/" not in folder and not folder.startswith(".") and len(folder) < 100 and folder for folder in folders)
