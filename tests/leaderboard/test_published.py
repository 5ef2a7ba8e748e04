"""What papers report: the figures are those of the tables, they stand beside the board and count in nothing unless asked."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from repbench.cli import cli
from repbench.datasets.declaration import ELEVEN_POINT
from repbench.encoders.published import OTHERWISE
from repbench.errors import DeclarationError, UnknownNameError, UsageError
from repbench.leaderboard.judge import judge, paired_errors
from repbench.leaderboard.page import render_page
from repbench.leaderboard.publish import markdown, publish
from repbench.leaderboard.published import Reported, all_tables, convention_words, read_table, with_published
from repbench.leaderboard.reproduce import compare_table, reasons, reproduce_lines
from repbench.leaderboard.tables import make_board, wide_table
from repbench.results.files import write_record
from repbench.results.record import Metric, Record
from repbench.tasks import load_catalogue
from tests.leaderboard.test_tables import record

SHARED = Path(__file__).parents[2] / "../shared"
TORCHVISION = "torchvision:resnet50/IMAGENET1K_V1,size=224,interpolation=bicubic,resize=shortest"
PREPARED = {"image": {"preprocessing": "resize shorter side to 32 bicubic, centre crop 32, mean 0 0 0, std 1 1 1"}}
OURS = {  # the shared file's names of metrics -> ours
    "top1": "accuracy",
    "top1_presumed": "accuracy",
    "mean_per_class": "mean-per-class",
    "voc11_map": "mean-average-precision-11-point",
    "text_score": "text-score",
    "image_score": "image-score",
    "group_score": "group-score",
    "I2T": "text-score",
    "T2I": "image-score",
    "group": "group-score",
}
SETS = {"whatsup": "whatsup-a", "coco_spatial": "whatsup-coco-one", "gqa_spatial": "whatsup-gqa-one"}
SIMCLR_8 = {  # read in the paper: food c10 c100 bird sun cars air voc dtd pets cal flow
    ("SimCLR ResNet-50 (4x)", "linear evaluation"): (76.9, 95.3, 80.2, 48.4, 65.9, 60.0, 61.2, 84.2, 78.9, 89.2, 93.9, 95.0),
    ("SimCLR ResNet-50 (4x)", "fine-tuning"): (89.4, 98.6, 89.0, 78.2, 68.1, 92.1, 87.0, 86.6, 77.8, 92.1, 94.1, 97.6),
}
ORDER = [
    "food101",
    "cifar10",
    "cifar100",
    "birdsnap",
    "sun397",
    "cars",
    "aircraft",
    "voc2007",
    "dtd",
    "pets",
    "caltech101",
    "flowers",
]


def probed(encoder: str, dataset: str, value: float, **changes: object) -> Record:
    made = record(encoder, f"linear-probe/{dataset}", value)
    return replace(made, metrics={"accuracy": Metric(value=value, low=value - 0.01, high=value + 0.01)}, **changes)  # type: ignore[arg-type]


def test_every_table_is_read_strictly_and_names_tasks_that_there_are() -> None:
    tasks, datasets = load_catalogue().tasks, load_catalogue().datasets
    used = set()
    for name, rows in all_tables().items():
        assert rows, name
        assert len({(row.system, row.protocol, row.dataset, row.metric) for row in rows}) == len(rows), name
        for row in rows:
            assert not row.task or row.task in tasks, f"{name}: {row.task}"
            assert row.dataset in datasets, f"{name}: {row.dataset}"
            assert row.source, name
            assert row.table, name
            used |= {*row.conventions.split()}
    assert used == set(convention_words()), "a convention that no row names"


def test_table_8_of_simclr_is_the_paper_s() -> None:
    rows = read_table("simclr-8")
    for (system, protocol), expected in SIMCLR_8.items():
        found = {row.dataset: row for row in rows if (row.system, row.protocol) == (system, protocol)}
        assert [float(found[dataset].percent) for dataset in ORDER] == list(expected)
        metrics = load_catalogue().datasets
        assert all(found[dataset].metric == metrics[dataset].metric for dataset in ORDER)


def test_every_figure_is_one_that_was_read_in_its_source() -> None:
    files = [SHARED / "published_results.csv", SHARED / "published_results_ssl_vlm.csv"]
    if not all(path.is_file() for path in files):
        pytest.skip("the handbook's published_results.csv and published_results_ssl_vlm.csv are not beside this checkout")
    known = set()
    for path in files:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                dataset, _, kind = {"imagenet1k": "imagenet"}.get(row["dataset"], row["dataset"]).partition("/")
                metric = "accuracy-of-both-sets" if dataset in SETS else OURS.get(row["metric"], row["metric"])
                if (shots := row["protocol"].removeprefix("fewshot_")) != row["protocol"]:
                    metric += f"-{shots}-shot"
                known.add((row["system"], SETS.get(dataset, dataset), f"{metric}:{kind}" if kind else metric, row["value"]))
    renamed = ("of-cropped-objects", "difficult-positive", "mean-of-subsets")
    for name, rows in all_tables().items():
        for row in rows:
            if not row.metric.endswith(renamed):
                assert (row.system, row.dataset, row.metric, row.percent) in known, f"{name}: {row}"


def test_one_shot_is_compared_with_a_point_of_the_curve_and_ten_are_no_point_of_it() -> None:
    rows = read_table("lejepa-2")
    assert len(rows) == 16
    curve = {f"accuracy-{shots}-shot": Metric(value=0.34, low=0.31, high=0.37) for shots in (1, 2, 4, 8, 16)}
    made = replace(record("LeJEPA ViT-L (IN-1k, 100 ep)", "few-shot/dtd", 0.5), metrics=curve, primary="accuracy-1-shot")
    found = [one for one in compare_table(rows, [made], {}) if one.record is not None]
    assert [(one.reported.percent, one.verdict) for one in found] == [("33.21", "agrees"), ("64.72", "another metric")]
    assert any("10 shots a class are no point of the curve here" in reason for reason in reasons(found[1]))


def test_means_that_sugarcrepe_does_not_print_are_those_of_what_it_prints_and_are_said_to_be() -> None:
    rows = read_table("sugarcrepe")
    for system in {row.system for row in rows}:
        own = {row.metric: row for row in rows if row.system == system}
        mean = own.pop("mean-of-subsets")
        assert len(own) == 7
        assert float(mean.percent) == pytest.approx(sum(float(row.percent) for row in own.values()) / 7, abs=0.006)
        assert "mean-of-printed" in mean.conventions.split()
        assert not any("mean-of-printed" in row.conventions for row in own.values())


def test_weights_of_one_name_are_no_others() -> None:
    for name in ("sugarcrepe", "clip-10", "open-clip"):
        for row in read_table(name):
            if "RN50 " in f"{row.system} ":
                assert row.is_of("open_clip:RN50/openai")
                assert row.is_of("open_clip:RN50-quickgelu/openai,size=224")
                assert not row.is_of("open_clip:RN50x4/openai")
            if row.system in ("CLIP ViT-L/14 (OpenAI)", "CLIP ViT-L-14 openai"):
                assert not row.is_of("open_clip:ViT-L-14-336/openai")


@pytest.mark.parametrize(
    ("name", "metric"), [("sugarcrepe", "mean-of-subsets"), ("bivlc", "group-score"), ("winoground", "group-score")]
)
def test_tables_of_probes_stand_beside_a_measured_probe(name: str, metric: str) -> None:
    one = Metric(value=0.5, low=0.45, high=0.55)
    made = replace(record("open_clip:ViT-B-32/openai", f"compositional/{name}", 0.5), primary=metric, metrics={metric: one})
    rows = read_table(name)
    shown = with_published(make_board([made]), all_tables()).published
    assert {one.encoder for one in shown} == {f"{row.system} [reported, {name}]" for row in rows if row.metric == metric}
    (found,) = [one for one in compare_table(rows, [made], {}) if one.measured is not None]
    assert found.reported.system.startswith("CLIP")
    assert found.reported.metric == metric


def test_what_is_printed_of_two_sets_together_is_compared_with_neither() -> None:
    made = record("open_clip:ViT-B-32/openai", "compositional/whatsup-a", 0.5)
    (found,) = [one for one in compare_table(read_table("whatsup"), [made], {}) if one.record is not None]
    assert found.verdict == "another metric"
    assert with_published(make_board([made]), all_tables()).published == ()


def test_the_averages_that_ericsson_et_al_print_come_out() -> None:
    printed = {"MoCo-v2": 72.31, "SimCLR-v2": 75.07, "BYOL": 77.05, "SwAV": 77.97, "DeepCluster-v2": 78.92}
    rows = read_table("ericsson-1")
    for system, average in printed.items():
        own = [float(row.percent) for row in rows if row.system.startswith(f"{system} ")]
        assert len(own) == 11
        assert sum(own) / 11 == pytest.approx(average, abs=0.006)


def measured() -> list[Record]:
    return [probed(name, dataset, value) for name, value in (("a", 0.5), ("b", 0.6)) for dataset in ("cifar10", "cifar100")]


def test_reported_rows_stand_beside_and_count_in_nothing() -> None:
    plain = make_board(measured())
    board = with_published(plain, all_tables())
    assert wide_table(board).equals(wide_table(plain))
    assert judge(board, lambda record: None) == judge(plain, lambda record: None)
    assert {one.task for one in board.published} == {"linear-probe/cifar10", "linear-probe/cifar100"}
    assert {one.encoder_kind for one in board.published} == {"published"}


def test_they_rank_when_that_is_asked() -> None:
    board = with_published(make_board(measured()), all_tables(), rank=True)
    wide = wide_table(board).set_index("encoder")
    assert wide.loc["SimCLR ResNet-50 (4x) [reported, simclr-8]", "linear-probe/cifar10"] == pytest.approx(0.953)
    assert wide.loc["b", "mean_rank"] > 20
    assert not [key for key, verdict in judge(board, lambda record: None).items() if "reported" in key[0] and verdict.bold]


def test_they_never_rank_where_a_task_was_asked_of_few_examples() -> None:
    few = [replace(one, inputs=replace(one.inputs, limit=100)) for one in measured() if one.task == "linear-probe/cifar10"]
    full = [one for one in measured() if one.task == "linear-probe/cifar100"]
    board = with_published(make_board([*few, *full]), all_tables(), rank=True)
    assert {one.task for one in board.published} == {"linear-probe/cifar10"}
    assert {one.task for one in board.done if one.encoder_kind == "published"} == {"linear-probe/cifar100"}
    assert {one.inputs.limit for one in (*board.published, *board.done) if one.encoder_kind == "published"} == {None}


def test_a_row_of_another_metric_is_not_set_beside() -> None:
    metrics = {"mean-per-class": Metric(value=0.5, low=None, high=None)}
    board = make_board([replace(probed("a", "cifar10", 0.5), primary="mean-per-class", metrics=metrics)])
    assert with_published(board, all_tables()).published == ()


def test_csv_markdown_and_page_mark_them_with_their_source(tmp_path: Path) -> None:
    board = with_published(make_board(measured()), all_tables())
    publish(board, tmp_path, judge(board, lambda record: None), paired_errors(board, lambda record: None))
    wide = pd.read_csv(tmp_path / "leaderboard.csv").set_index("encoder")
    row = wide.loc["SimCLR ResNet-50 (4x) [reported, simclr-8]"]
    assert (row["kind"], row["linear-probe/cifar10"]) == ("published", 0.953)
    assert row["source"] == "SimCLR (Chen et al. 2020, arXiv 2002.05709), Table 8"
    assert row[["mean", "mean_rank", "borda", "normalised_mean"]].isna().all()
    assert wide.loc[["a", "b"], "source"].isna().all()
    long = pd.read_csv(tmp_path / "leaderboard.long.csv")
    assert len(long[long.encoder.str.contains("reported")]) == len(board.published)
    text = (tmp_path / "leaderboard.md").read_text()
    assert "## Reported in papers, not measured here; in no rank and no mean" in text
    assert "SimCLR (Chen et al. 2020, arXiv 2002.05709), Table 8" in text
    page = (tmp_path / "leaderboard.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    (shown,) = [one for one in data["rows"] if one["name"] == "SimCLR ResNet-50 (4x) [reported, simclr-8]"]
    assert shown["kind"] == "published"
    assert shown["rank"] is None
    assert "Table 8" in json.dumps(shown["cells"])
    plain = make_board(measured())
    assert "source" not in publish_csv(plain, tmp_path / "plain")
    assert "Reported" not in markdown(plain)


def publish_csv(board: object, folder: Path) -> str:
    publish(board, folder)  # type: ignore[arg-type]
    return (folder / "leaderboard.csv").read_text().splitlines()[0]


HEADER = "system,encoder,protocol,dataset,task,metric,percent,source,table,conventions\n"


def table(folder: Path, *lines: str, header: str = HEADER) -> Sequence[Reported]:
    (folder / "mine.csv").write_text(header + "".join(f"{line}\n" for line in lines))
    (folder / "conventions.toml").write_text('small = "Small images."\n')
    return read_table("mine", folder)


def test_a_hostile_table_is_harmless_in_csv_and_page(tmp_path: Path) -> None:
    row = Reported(
        system="=HYPERLINK(1)</script><script>alert(1)</script>",
        encoder="",
        protocol="linear",
        dataset="cifar10",
        task="linear-probe/cifar10",
        metric="accuracy",
        percent="90",
        source="=1+1",
        table="@x",
        conventions="",
    )
    board = with_published(make_board(measured()), {"mine": [row]})
    publish(board, tmp_path)
    for name in ("leaderboard.csv", "leaderboard.long.csv"):
        cells = [cell for line in csv.reader((tmp_path / name).read_text().splitlines()) for cell in line]
        assert not [cell for cell in cells if cell.startswith(("=", "@"))]
    assert "<script>alert" not in render_page(board)


@pytest.mark.parametrize(
    ("line", "header", "words"),
    [
        ("a,,linear,cifar10,t/x,accuracy,many,s,t,", HEADER, "line 2: percent is 'many'"),
        ("a,,linear,cifar10,t/x,accuracy,101,s,t,", HEADER, "a number from 0 to 100"),
        ("a,,linear,cifar10,t/x,accuracy,nan,s,t,", HEADER, "a number from 0 to 100"),
        ("a,b", "system,value\n", "the columns are"),
    ],
)
def test_a_damaged_table_is_told_with_its_line(tmp_path: Path, line: str, header: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        table(tmp_path, line, header=header)


def test_an_unknown_table_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'simclr-8'"):
        read_table("simclr8")


def test_an_unknown_convention_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"line 2.*'smal'.*Did you mean 'small'"):
        table(tmp_path, "a,,linear,cifar10,t/x,accuracy,90,s,t,smal")


def test_reproduce_finds_the_system_and_says_whether_the_interval_holds_the_figure() -> None:
    rows = read_table("ericsson-1")
    records = [
        probed(TORCHVISION, "cifar10", 0.9190),  # published 91.42
        probed(TORCHVISION, "cifar100", 0.80),  # 73.90
        probed("mine", "cifar10", 0.50),
    ]
    found = [one for one in compare_table(rows, records, {}) if one.record is not None]
    assert [(one.reported.dataset, one.verdict) for one in found] == [("cifar10", "agrees"), ("cifar100", "above")]
    assert found[0].difference == pytest.approx(0.9190 - 0.9142)
    byol = "BYOL ResNet-50 (Ericsson et al.)"
    named = [one for one in compare_table(rows, records, {"mine": byol}) if one.record and one.record.encoder == "mine"]
    assert [(one.reported.system, one.reported.percent, one.verdict) for one in named] == [(byol, "93.26", "below")]
    marked = [probed("mine [deviating]", "cifar10", 0.50)]
    assert [one.verdict for one in compare_table(rows, marked, {"mine": byol}) if one.record] == ["below"]
    assert not [one for one in compare_table(rows, marked, {"min": byol}) if one.record]


def test_a_figure_rounded_as_it_is_printed_agrees_at_the_end_of_the_interval() -> None:
    (row,) = [one for one in read_table("ericsson-1") if one.system.startswith("BYOL") and one.dataset == "cifar10"]  # 93.26
    for high, verdict in ((0.93256, "agrees"), (0.93254, "below")):
        made = replace(probed(row.system, "cifar10", 0.93), metrics={"accuracy": Metric(value=0.93, low=0.9, high=high)})
        assert compare_table([row], [made], {})[0].verdict == verdict


def test_gaps_are_explained_in_words() -> None:
    (row,) = [one for one in read_table("ericsson-1") if one.system.startswith("BYOL") and one.dataset == "cifar10"]
    inputs = replace(probed("a", "cifar10", 0.5).inputs, limit=100, told=("stop_rule=sklearn",), precision="bf16")
    made = probed(row.system, "cifar10", 0.5, inputs=inputs, deviations=("its images are JPEG",), towers=PREPARED)
    words = " ".join(reasons(compare_table([row], [made], {})[0]))
    told = ("224 pixels", "--stop-rule sklearn", "its images are JPEG", "at most 100", "stop_rule=sklearn", "bf16", "crop 32")
    assert [part for part in told if part not in words] == []
    (crops,) = [one for one in read_table("open-clip") if one.dataset == "voc2007" and one.system.endswith("RN50 openai")]
    voc = replace(record("open_clip:RN50-quickgelu/openai", "zero-shot/voc2007", 0.7))
    (one,) = [found for found in compare_table([crops], [voc], {}) if found.record]
    assert one.verdict == "another metric"
    assert "cropped out of VOC 2007" in " ".join(reasons(one))
    assert "the record has accuracy" in " ".join(reasons(one))


def test_squashed_images_and_other_validation_images_are_explanations() -> None:
    (row,) = [one for one in read_table("ericsson-1") if one.system.startswith("BYOL") and one.dataset == "cifar10"]
    listed = "10% of each class of train; its train split has another order, so val is another (digest 95cb)"

    def told(prepared: str, validation: str) -> str:
        towers = {"image": {"preprocessing": f"{prepared}, mean 0 0 0, std 1 1 1"}}
        made = probed(row.system, "cifar10", 0.5, towers=towers, conventions={"validation": validation})
        return " ".join(reasons(compare_table([row], [made], {})[0]))

    as_published = told("resize shorter side to 224 bicubic, centre crop 224", "the creators' split")
    assert "prepared otherwise" not in as_published
    assert "The validation images here" not in as_published
    assert "prepared otherwise here: resize both sides" in told("resize both sides to 224 bicubic, centre crop 224", "")
    assert f"The validation images here: {listed}." in told("resize shorter side to 224 bicubic, centre crop 224", listed)


def test_a_record_that_says_its_images_were_prepared_otherwise_explains_so_in_every_table() -> None:
    row = next(one for one in read_table("clip-10") if one.dataset == "cifar10")
    assert "size-224" not in row.conventions
    towers = {"image": {"preprocessing": "resize shorter side to 64 bicubic, centre crop 64"}}
    made = probed(row.system, "cifar10", 0.5, towers=towers, conventions={"preprocessing": f"{OTHERWISE} (224), 64 here"})
    assert "prepared otherwise here: resize shorter side to 64" in " ".join(reasons(compare_table([row], [made], {})[0]))


def test_the_lines_tell_difference_interval_and_what_was_not_measured() -> None:
    lines = reproduce_lines(compare_table(read_table("ericsson-1"), [probed(TORCHVISION, "cifar10", 0.9190)], {}))
    text = "\n".join(lines)
    assert "91.42" in text
    assert "[90.90, 92.90]" in text
    assert "+0.48" in text
    assert "98 figures of 9 systems were not measured here" in lines[-1]


def test_figures_that_no_faithful_run_would_give_are_named_and_those_that_move_more_say_why() -> None:
    """The supervised ResNet-50 of Ericsson et al.: 91.42 on CIFAR-10, 73.90 on CIFAR-100, 83.60 on VOC 2007."""
    measured = [probed(TORCHVISION, "cifar10", 0.9052), probed(TORCHVISION, "cifar100", 0.7505)]
    voc = probed(TORCHVISION, "voc2007", 0.80)
    voc = replace(voc, metrics={ELEVEN_POINT: replace(voc.metrics["accuracy"])})
    text = reproduce_lines(compare_table(read_table("ericsson-1"), [*measured, voc], {}))
    assert "1 of 3 figures of linear-probe are within one point, as a faithful run of the same weights should be." in text
    (cifar,) = [line for line in text if line.startswith("  not linear-probe/cifar100")]
    assert not cifar.endswith("rules")
    (moved,) = [line for line in text if line.startswith("  not linear-probe/voc2007")]
    assert moved.endswith("can move more, for difficult objects count by several rules")


def test_the_commands_work_on_a_folder_of_records(tmp_path: Path) -> None:
    write_record(tmp_path, probed(TORCHVISION, "cifar10", 0.9190, source="a copy"), None)
    runner = CliRunner()
    shown = runner.invoke(cli, ["reproduce", "ericsson-1", str(tmp_path)], catch_exceptions=False)
    assert "agrees" in shown.output
    beside = runner.invoke(cli, ["leaderboard", str(tmp_path), "--with-published"], catch_exceptions=False)
    assert "reported in papers, not measured here:" in beside.output
    assert "SimCLR ResNet-50 (4x) [reported, simclr-8]" in beside.output
    printed = runner.invoke(cli, ["reproduce", "simclr-b5"], catch_exceptions=False)
    assert "To measure: repbench run ENCODER,size=224,interpolation=bicubic,resize=shortest," in printed.output
    listed = runner.invoke(cli, ["list", "published"], catch_exceptions=False)
    assert len(listed.output.splitlines()) == len(all_tables())
    with pytest.raises(UsageError, match="--as"):
        runner.invoke(cli, ["reproduce", "simclr-8", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(UsageError, match="write ENCODER=SYSTEM"):
        runner.invoke(cli, ["reproduce", "simclr-8", str(tmp_path), "--as", "a=b"], catch_exceptions=False)
