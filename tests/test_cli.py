"""The command line: exit statuses, kind errors, the plan, plug-ins, and a start that imports nothing heavy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import repbench
from repbench import cli
from repbench.errors import UnknownNameError
from repbench.results.files import read_records

EXAMPLES = Path(__file__).parents[1] / "examples"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["repbench", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def at(colours: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(colours)
    monkeypatch.setenv("REPBENCH_STORE", str(colours / "store"))
    return colours


FOUR = "knn/colour*,linear-probe/colour*,zero-shot/colour*,alignment-uniformity/colour*"
RUN = ("--plugin", "colours.toml", "--data", "data", "--out", "results", "--quiet")


def test_a_file_of_python_that_is_there_is_asked_for_its_function(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "mine.py").write_text("def load(): ...", encoding="utf-8")
    assert call(monkeypatch, "run", "mine.py") == 2
    assert "for example mine.py:load" in capsys.readouterr().err


def test_a_list_stands_in_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "list", "datasets") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    starts = {tuple(found.end() for found in re.finditer(r"\s{2,}", line))[:2] for line in lines}  # family, title
    assert len(starts) == 1


def test_all_done_is_status_0_and_prints_the_table(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:pixels", "control:constant", "--tasks", "*/colours", *RUN) == 0
    printed = capsys.readouterr().out
    assert "knn/colours" in printed
    assert "control:pixels" in printed
    assert call(monkeypatch, "leaderboard", "results", "--out", "board") == 0
    table = pd.read_csv(at / "board" / "leaderboard.csv").set_index("encoder")
    assert table.loc["control:pixels", "linear-probe/colours"] == 1.0
    assert table.loc["control:constant", "linear-probe/colours"] == pytest.approx(1 / 3, abs=1e-6)
    assert table.loc["control:constant", "alignment-uniformity/colours"] == 0.0


def test_some_failed_is_status_1_and_says_which(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:nan", "control:pixels", "--tasks", "knn/colours", *RUN) == 1
    printed = capsys.readouterr()
    assert "failed: control:nan on knn/colours: embeddings are NaN" in printed.err
    assert "1.000" in printed.out


def test_a_board_of_failures_says_so_with_their_reasons_and_status_1(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:nan", "--tasks", "knn/digits,clustering/digits", "--out", "failed") == 1
    capsys.readouterr()
    for command in (("leaderboard", "failed", "--out", "board"), ("show", "failed")):
        assert call(monkeypatch, *command) == 1
        told = capsys.readouterr().out
        assert told.startswith("No results: all 2 failed.\nfailed: clustering/digits: embeddings are NaN or infinite")
        assert "(control:nan)" in told
    assert "No results: all 2 failed." in (at / "board" / "leaderboard.html").read_text(encoding="utf-8")
    assert call(monkeypatch, "run", "control:constant", "--tasks", "knn/digits", "--out", "failed") == 0
    capsys.readouterr()
    assert call(monkeypatch, "leaderboard", "failed") == 0
    assert capsys.readouterr().out.count("\nfailed: ") == 2


def test_a_task_asked_by_name_that_does_not_fit_is_a_failure(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "knn/colours,zero-shot/colours", *RUN) == 1
    assert "failed: control:pixels on zero-shot/colours: missing modality" in capsys.readouterr().err
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "zero-shot/colours*", *RUN) == 1  # nothing fits
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "*/colours", *RUN) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "control:pixls"), "unknown control 'pixls'. Did you mean 'pixels'?"),
        (("run", "tim:resnet50"), "unknown encoder source 'tim'. Did you mean 'timm'?"),
        (("run", "random:resnet1"), "unknown timm architecture 'resnet1'. Did you mean"),
        (("run", "control:pixels", "--tasks", "kn/digits"), "unknown task 'kn/digits'. Did you mean 'knn/digits'"),
        (("run", "control:pixels", "--seed", "-3"), "--seed is -3"),
        (("run", "control:pixels", "--data", "nodir"), "'nodir' does not exist"),
        (("run", "control:pixels", "--precision", "fp8"), "--precision is 'fp8'"),
        (("run", "control:pixels", "control:pixels"), "the encoder 'control:pixels' is given twice"),
        (("run", "control:pixels", "control:foo"), "unknown control 'foo'"),
        (("run", "control:pixels", "timm:resnet50,pool=foo"), "unknown pooling 'foo'"),
        (("run", "control:pixels", "timm:resnet18,size=big"), "size=big is no number of pixels"),
        (("run", "control:pixels", "nothing.pt", "--arch", "timm:resnet18"), "there is no file nothing.pt"),
        (("run", "nothing.py:load"), "the file nothing.py does not exist"),
        (("run", "my_encoder.py"), "say which function of the file returns the encoder, for example my_encoder.py:load"),
        (("run", "resnet50"), "Write timm:resnet50, torchvision:resnet50 or random:resnet50"),
        (("run", "control:pixels", "--tasks", ""), "no task is named"),
        (("run", "control:pixels", "--tasks", "knnn/*"), "unknown task 'knnn/*'. Did you mean 'knn/*'"),
        (("run", "control:pixels", "--plugin", "nothing.txt"), "--plugin nothing.txt: expected a .toml file"),
        (("run", "control:pixels", "--device", "gpu", "--tasks", "knn/digits"), "Write cpu, cuda, cuda:1 or mps"),
        (("show", "knn/digts"), "unknown task, dataset or method 'knn/digts'. Did you mean 'knn/digits'"),
        (("show", "nothing"), "There is no folder nothing either"),
        (
            ("show", "./nothing"),
            "./nothing: there is no such folder of results; `repbench run ENCODER --out ./nothing` makes one",
        ),
        (("show", "/nothing/at/all"), "/nothing/at/all: there is no such folder of results"),
        (("run",), "Missing argument"),
        (("list", "nonsense"), "is not one of"),
    ],
)
def test_wrong_use_is_status_2_with_the_nearest_name(
    at: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert call(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (at / "results").exists()


def test_a_file_or_folder_given_in_the_wrong_place_is_told_its_place(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = str(EXAMPLES / "my_encoder.py")
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "knn/colours", "--plugin", example, *RUN) == 2
    assert f"name it as the encoder, {example}:FUNCTION" in capsys.readouterr().err
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "knn/colours", *RUN) == 0
    [encoder] = (at / "results").glob("control*")
    for folder in (str(at), str(encoder)):
        assert call(monkeypatch, "leaderboard", folder) == 2
        assert f"{at / 'results'} holds some, name that" in capsys.readouterr().err


def test_every_bad_encoder_is_named_before_any_work(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:foo", "control:pixels", "open_clip:RN5/openai", "gone.onnx", *RUN) == 2
    told = capsys.readouterr().err
    assert all(part in told for part in ("'foo'", "unknown open_clip model 'RN5'", "there is no file gone.onnx"))
    assert not (at / "results").exists()


def test_encoders_that_cannot_be_built_are_status_2_alone_and_1_among_others(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "cut.pt").write_bytes(b"PK\x03\x04 and no more")
    spec = "cut.pt,arch=timm:test_resnet"
    assert call(monkeypatch, "run", spec, "--tasks", "knn/colours", *RUN) == 2
    assert capsys.readouterr().err.startswith("repbench: cut.pt is damaged or was not copied to its end (16 bytes)")
    assert not (at / "results").exists()
    assert call(monkeypatch, "run", spec, "control:pixels", "--tasks", "knn/colours", *RUN) == 1
    assert "cut.pt is damaged" in capsys.readouterr().err
    assert call(monkeypatch, "audit", spec) == 2


def test_a_failure_is_told_once_with_its_reason(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:nan", "--tasks", "knn/colours", *RUN[:-1]) == 1
    told = capsys.readouterr().err
    assert told.count("embeddings are NaN") == 1
    assert "failed: control:nan on knn/colours\n" in told
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "zero-shot/colours", *RUN[:-1]) == 1
    assert "failed: control:pixels on zero-shot/colours: missing modality: it needs a tower for text" in capsys.readouterr().err


def test_a_protocol_is_found_with_the_underscore_of_its_file(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "linear_probe/colours", *RUN) == 0
    assert "linear-probe/colours" in capsys.readouterr().out


def test_the_python_face_plans_without_writing_and_takes_the_stop_rule(at: Path) -> None:
    given = {"data": "data", "plugins": ["colours.toml"], "out": "results", "quiet": True}
    planned = repbench.evaluate("control:pixels", FOUR, **given, dry_run=True).set_index("task")
    assert planned.state.to_dict() == {
        "alignment-uniformity/colours": "to do", "knn/colours": "to do", "linear-probe/colours": "to do",
        "zero-shot/colours": "not possible",
    }  # fmt: skip
    assert planned.embeddings.sum() == 78
    assert planned.embeddings["linear-probe/colours"] == 0  # counted where first needed: by knn
    assert not (at / "results").exists()
    with pytest.raises(repbench.RepbenchError, match="stop_rule is 'soon'; expected one of"):
        repbench.evaluate("control:pixels", "linear-probe/colours", **given, stop_rule="soon")


def test_a_task_that_a_dataset_cannot_have_says_why(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = at / "colours.toml"
    path.write_text(path.read_text().replace("classes = 3", "classes = 1"))
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "knn/colours", *RUN) == 2
    assert "there is no task 'knn/colours': colours has one class only" in capsys.readouterr().err


def test_a_missing_folder_of_results_is_told(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "leaderboard", "nowhere") == 2
    assert "nowhere: there is no such folder of results" in capsys.readouterr().err


def test_another_stop_rule_is_another_task_and_is_recorded(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ("run", "control:pixels", "--tasks", "linear-probe/colours,knn/colours", *RUN)
    assert call(monkeypatch, *run) == 0
    nearest, certified = read_records(at / "results")
    assert call(monkeypatch, *run, "--stop-rule", "sklearn") == 0
    [same, again], [loose] = (
        [record for record in read_records(at / "results") if bool(record.inputs.told) is told] for told in (False, True)
    )
    assert (certified.options["stop_rule"], loose.options["stop_rule"]) == ("certified", "sklearn")
    assert loose.inputs.task_digest != certified.inputs.task_digest
    assert loose.diagnostics["relative_gap"] > 1e-4 >= certified.diagnostics["relative_gap"]
    assert (same, again) == (nearest, certified)  # nothing to do again, and nothing replaced


def test_an_approximate_index_is_another_task_and_warns(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ("run", "control:pixels", "--tasks", "knn/colours", *RUN)
    assert call(monkeypatch, *run) == 0
    assert call(monkeypatch, *run, "--index", "exact") == 0
    [exact] = read_records(at / "results")
    assert call(monkeypatch, *run, "--index", "ivf") == 0
    [_, approximate] = sorted(read_records(at / "results"), key=lambda record: len(record.inputs.told))
    assert (exact.options["index"], approximate.options["index"]) == ("exact", "ivf")
    assert approximate.inputs.told == ("index=ivf",)
    assert not exact.warnings
    assert "approximate index (ivf): 100.0% of the exact ones" in approximate.warnings[0]


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", "control:pixels", "--tasks", FOUR, *RUN)
    assert call(monkeypatch, *arguments, "--dry-run") == 0
    plan = capsys.readouterr().out
    assert "4 tasks: 3 to do, 0 done, 1 not possible" in plan
    assert "78 distinct embeddings: 0 stored, 78 to compute (1.2 MB)" in plan  # 60 images, and 18 once more in two crops
    assert "estimate: about" in plan
    assert not (at / "results").exists()
    assert not (at / "store").exists()
    assert call(monkeypatch, *arguments) == 0
    capsys.readouterr()
    assert call(monkeypatch, *arguments, "--dry-run") == 0
    assert "0 to do, 3 done" in capsys.readouterr().out


def test_listing_the_tasks_loads_every_protocol_but_no_torch() -> None:
    code = (
        "import sys; from repbench.tasks import load_catalogue; assert load_catalogue().tasks;"
        "print('torch' in sys.modules, 'repbench.measure.logistic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_lists_and_facts_are_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for what, expected in (("tasks", "linear-probe/furniture"), ("datasets", "emoji"), ("encoders", "open_clip:")):
        assert call(monkeypatch, "list", what) == 0
        assert expected in capsys.readouterr().out
    assert call(monkeypatch, "show", "linear-probe/furniture") == 0
    shown = capsys.readouterr().out
    assert "Sweet Home 3D" in shown
    assert "to fit and choose" in shown
    assert call(monkeypatch, "show", "dino") == 0
    shown = capsys.readouterr().out
    assert "--batch-size 64" in shown
    assert "--set locals=2" in shown
    assert "--set pairs=..." in shown
    assert call(monkeypatch, "show", "cifar10") == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.rstrip().endswith(":")]
    assert call(monkeypatch, "show", "furniture-scenes") == 0  # composed of the pictures of a pack, and under its licences
    assert "CC-BY-3.0 AND CC-BY-3.0-US AND CC0-1.0" in capsys.readouterr().out
    assert call(monkeypatch, "show", "voices") == 0
    assert "of which these datasets are made: languages, speakers" in capsys.readouterr().out


def test_help_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, repbench.cli as c; sys.argv = ['repbench', '--help']\ntry: c.main()\nfinally: print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"torch", "pandas", "numpy", "sklearn", "datasets", "timm", "open_clip"})


def test_the_examples_work_as_plug_ins(tmp_path: Path, at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image, ImageDraw

    for split, count in (("train", 20), ("test", 10)):
        for name in ("circle", "square"):
            folder = at / "data" / "shapes" / split / name
            folder.mkdir(parents=True)
            for place in range(count):
                picture = Image.new("RGB", (40, 40), "white")
                pencil = ImageDraw.Draw(picture)
                draw = pencil.ellipse if name == "circle" else pencil.rectangle
                draw((4 + place % 5, 4, 24 + place % 7, 24 + place % 3), fill=(place * 9, 0, 120))
                picture.save(folder / f"{place}.png")
    dataset, protocol = EXAMPLES / "my_dataset.toml", EXAMPLES / "my_protocol.py"
    arguments = ("--plugin", str(dataset), "--plugin", str(protocol), "--data", "data", "--out", "results", "--quiet")
    assert call(monkeypatch, "run", f"{EXAMPLES / 'my_encoder.py'}:load", "--tasks", "*/my_dataset", *arguments) == 0
    [row] = repbench.read_leaderboard(at / "results").to_dict("records")
    assert row["encoder"] == "my_encoder.py:load"
    assert {"knn/my_dataset", "linear-probe/my_dataset", "my-protocol/my_dataset"} <= set(row)
    assert row["my-protocol/my_dataset"] >= 0.5
    examples = [EXAMPLES / name for name in ("my_dataset.toml", "my_protocol.py", "my_encoder.py")]
    assert all(len(path.read_text().splitlines()) <= 30 for path in examples)


PROTOCOL = """from dataclasses import dataclass
from typing import ClassVar
from repbench.embeddings.needs import Need
@dataclass(frozen=True, kw_only=True)
class Mine:
    version: ClassVar[int] = 1
    def needs(self, dataset):
        return (Need(dataset=dataset.name, split="train", column=dataset.medium),)
    def score(self, got, seed):
        return 1
"""


def test_a_protocol_is_no_task_of_a_dataset_that_lacks_what_it_needs(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "mine.py").write_text(PROTOCOL)
    names = repbench.catalogue([at / "mine.py"]).tasks
    assert "mine/digits" in names
    assert "mine/emoji-captions" not in names
    assert call(monkeypatch, "run", "control:pixels", "--plugin", "mine.py", "--tasks", "mine/emoji-captions") == 2
    assert "emoji-captions has no split 'train'; it has test, val" in capsys.readouterr().err


def test_a_protocol_that_returns_no_outcome_fails_its_task_alone(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "mine.py").write_text(PROTOCOL)
    tasks = ("--tasks", "mine/digits,knn/digits", "--plugin", "mine.py", "--limit", "20")
    assert call(monkeypatch, "run", "control:pixels", *tasks, "--out", "results", "--quiet") == 1
    shown = capsys.readouterr()
    assert "`score` returned int" in shown.err
    assert "knn/digits" in shown.out


def test_a_protocol_whose_needs_fail_names_its_file_and_the_dataset(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "mine.py").write_text(PROTOCOL.replace("dataset.medium", "dataset.nothing"))
    assert call(monkeypatch, "list", "tasks", "--plugin", "mine.py") == 2
    assert "mine.py: `fits` or `needs` failed on the dataset 'languages' (AttributeError" in capsys.readouterr().err


def test_a_name_that_is_taken_twice_names_both_files(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (at / "digits.toml").write_text((at / "colours.toml").read_text())
    with pytest.raises(repbench.RepbenchError, match=r"'digits' is taken twice: .*embedded/digits.toml and .*digits.toml"):
        repbench.catalogue([at / "digits.toml"])


def test_the_python_face_returns_a_table(at: Path) -> None:
    table = repbench.evaluate(
        "control:pixels", tasks="knn/colours", plugins=["colours.toml"], data="data", store=at / "store", quiet=True
    )
    assert table.loc[table.metric == "accuracy", "value"].tolist() == [1.0]
    failed = repbench.evaluate(
        "control:nan", tasks="knn/colours", plugins=["colours.toml"], data="data", store=at / "store", quiet=True
    )
    assert failed.metric.tolist() == ["failed"]
    assert failed.reason[0].startswith("embeddings are NaN")
    assert list(failed.columns) == list(table.columns)
    quick = repbench.evaluate("control:pixels", tasks="knn/digits", limit=20, seed=3, store=at / "store", quiet=True)
    assert quick.n.tolist() == [20, 20, 20, 20]  # both metrics, of 20 neighbours and of one
    with pytest.raises(UnknownNameError):
        repbench.evaluate("control:pixels", tasks="nothing")


def test_data_that_are_not_here_are_listed_and_left_out_of_the_default(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(at))
    monkeypatch.delenv("REPBENCH_PACKS", raising=False)
    packs = at / "repbench" / "packs"
    packs.mkdir(parents=True)
    (packs / "mnist.parquet").touch()
    assert call(monkeypatch, "data", "list") == 0
    states = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[:-1]}
    expected = {"clipart": "absent", "fashion-mnist": "absent", "mnist": "here", "stamps": "absent"}
    assert expected.items() <= states.items()
    assert call(monkeypatch, "list", "tasks") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["knn/stamps"].endswith("(not here: repbench data fetch stamps)")
    assert lines["retrieval/coco"].endswith("(not here: `repbench show coco` says what to bring)")
    assert not any("not here" in lines[name] for name in ("knn/digits", "knn/mnist"))
    assert call(monkeypatch, "show", "stamps") == 0
    assert "repbench data fetch stamps" in capsys.readouterr().out
    by_default = {task.dataset.name for task in repbench.catalogue().select_here(["*"])}
    assert {"digits", "mnist"} <= by_default
    assert by_default.isdisjoint({"clipart", "fashion-mnist", "stamps"})
    assert {task.name for task in repbench.catalogue().select_here(["knn/stamps"])} == {"knn/stamps"}


def test_a_task_on_data_that_are_not_here_names_the_command(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBENCH_PACKS", str(at / "packs"))
    assert call(monkeypatch, "run", "control:pixels", "--tasks", "knn/stamps", "--out", "results", "--quiet") == 1
    assert "repbench data fetch stamps" in capsys.readouterr().err
    assert call(monkeypatch, "data", "fetch", "stamp") == 2
    assert "Did you mean 'stamps'" in capsys.readouterr().err


def test_a_plan_names_what_a_pattern_leaves_out_and_what_brings_it(
    at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBENCH_DATA", str(at / "nothing"))
    assert call(monkeypatch, "run", "control:constant", "--tasks", "compositional/*", "--limit", "4", "--dry-run") == 0
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert told["winoground"].endswith("repbench data fetch winoground")
    assert "its data/*.json as sugar-crepe/" in told["sugarcrepe"]
    assert "emoji-captions" not in told
    assert "to do" in told["compositional/emoji-captions"]


def test_a_pattern_for_a_probe_asks_every_scorer_and_a_full_name_one() -> None:
    catalogue = repbench.catalogue()
    every = {f"{protocol}/emoji-pairs" for protocol in ("compositional", "compositional-itm", "compositional-lm")}
    assert every < {task.name for task in catalogue.select_here(["compositional/*"])}
    assert every == {task.name for task in catalogue.select(["compositional/*emoji-pairs"])}
    assert [task.name for task in catalogue.select(["compositional/emoji-pairs"])] == ["compositional/emoji-pairs"]
    assert {task.protocol_name for task in catalogue.select(["compositional-lm/*"])} == {"compositional-lm"}
