"""audit-probe on files in their authors' layouts: what leaks is named, what cannot leak is not, and errors say what to type."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from repbench.cli import cli
from repbench.datasets.caption_files import read_captions
from repbench.encoders.load import load_encoder
from repbench.errors import DataError, UsageError
from repbench.measure.text_classifier import classifier_scores
from repbench.probe_audit import audit_probe
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue

TASKS = Path(__file__).parents[1] / "tasks" / "compositional"
COLOURS, THINGS = ("red", "blue", "green", "black"), ("dog", "cup", "hat", "car", "bell")
ADDED = [
    (f"a {thing} on a {other}", f"a {colour} {thing} on a {other}")
    for colour in COLOURS
    for thing in THINGS
    for other in THINGS
]


def sugar_crepe(folder: Path, pairs: list[tuple[str, str]] = ADDED) -> Path:
    path = folder / "add_att.json"
    rows = {
        str(k): {"filename": f"{k // 2:012d}.jpg", "caption": true, "negative_caption": false}
        for k, (true, false) in enumerate(pairs)
    }
    path.write_text(json.dumps(rows))
    return path


def audit(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["audit-probe", *map(str, arguments), "--encoder", ""], standalone_mode=False)


def test_what_is_added_leaks_by_its_length_and_the_negatives_are_named(tmp_path: Path) -> None:
    result = audit(sugar_crepe(tmp_path))
    assert result.exit_code == 1
    assert "HACKABLE" in result.output
    assert "hackable negatives: 100 of 100" in result.output
    assert [line.split()[0] for line in result.output.splitlines() if line.startswith("  ") and line[2].isdigit()] == list(
        "123456789"
    )


def test_json_has_every_rule_and_every_hackable_example(tmp_path: Path) -> None:
    (found,) = json.loads(audit(sugar_crepe(tmp_path), "--json").output)
    assert found["hackable"]
    assert found["rules"]["fewest characters"]["score"] == 1
    assert found["images"] == 50
    assert len(found["hackable_examples"]) == 100
    assert len(found["steps"]) == 9


def test_our_own_probe_is_not_hackable() -> None:
    result = audit(TASKS / "emoji-pairs.toml")
    assert result.exit_code == 0
    assert "100.0% of the examples have captions of the same words" in result.output


@pytest.mark.parametrize("name", ["emoji-captions", "emoji-pairs"])
def test_where_images_are_here_a_model_is_asked_with_those_of_others_as_a_run_does(name: str, tmp_path: Path) -> None:
    settings = Settings(results=tmp_path / "results", store=tmp_path / "store")
    tasks = load_catalogue().select([f"compositional/{name}"])
    plan = make_plan(load_encoder("control:random"), tasks, Datasets(settings), settings)
    (record,) = execute(plan, settings, Report(quiet=True))
    five, six = audit_probe(read_captions(TASKS / f"{name}.toml", {}), "control:random").steps[4:6]
    assert five.values["shuffled_images"] == pytest.approx(record.metrics["shuffled-images"].value)
    assert five.values["own_images"] == pytest.approx(record.metrics[record.primary].value)
    if name == "emoji-pairs":
        assert six.values["image_alone"] < 0.01  # one of the images is the more typical, beside either caption
    else:
        assert six.said == "nothing to choose: one image an example"


def test_steps_that_need_images_say_what_they_lack(tmp_path: Path) -> None:
    (five, _) = audit_probe(read_captions(sugar_crepe(tmp_path), {}), "control:constant").steps[4:6]
    assert "Give the TOML of a dataset, and --encoder with towers for images and texts" in five.said
    (five, six) = audit_probe(read_captions(TASKS / "emoji-pairs.toml", {}), "control:mfcc").steps[4:6]
    assert "control:mfcc has no tower for image and text" in five.said
    assert six.said == five.said


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_tables_are_read_by_their_columns(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame(
        {"image": ["a", "a", "b"], "right": ["x", "y", "z"], "wrong": ["p", "q", "r"], "kind": ["1", "2", "2"]}
    )
    path = tmp_path / f"mine.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    probe = read_captions(path, {"true": "right", "false": "wrong"})
    assert probe.captions == (("x", "p"), ("y", "q"), ("z", "r"))
    assert probe.groups.tolist() == ["a", "a", "b"]
    assert probe.part(probe.subset == "2", "two").ids == ("1", "2")


@pytest.mark.parametrize(
    "rows",
    [
        [{"image_path": "1.jpg", "true_caption": "a", "false_caption": "b"}],  # ARO
        {"one": {"image_file": "1.jpg", "caption": "a", "foil": "b"}},  # VALSE
        [{"image_id": 1, "caption": "a", "negatives": ["b"]}],
        [{"caption_0": "a", "caption_1": "b"}],
        [{"image_id": 1, "caption": "a", "hard_negs": "['b']"}],  # CREPE, as its tables write lists
        [{"image_path": "1.jpg", "caption_options": ["a", "b"]}],  # What'sUp, A and B
        [[139, "a", "b"]],  # What'sUp, COCO and GQA
        [{"correct_caption": "a", "hard_text_1": "b"}],  # ARO's orders on the hub
    ],
)
def test_layouts_of_other_probes(tmp_path: Path, rows: object) -> None:
    path = tmp_path / "probe.json"
    path.write_text(json.dumps(rows))
    assert read_captions(path, {}).captions == (("a", "b"),)


@pytest.mark.parametrize("first", [0, 1])  # Winoground, ColorSwap
@pytest.mark.parametrize("images", [("1", "2"), ({"bytes": b"1", "path": None}, {"bytes": b"2", "path": None})])
def test_pairs_of_images_and_captions_are_judged_as_winoground_is(
    tmp_path: Path, first: int, images: tuple[object, object]
) -> None:
    path = tmp_path / "probe.parquet"
    columns = {f"caption_{first}": ["a", "c"], f"caption_{first + 1}": ["b", "d"]}
    columns |= {f"image_{first + k}": [images[k], images[k]] for k in range(2)}
    pd.DataFrame(columns).to_parquet(path)
    probe = read_captions(path, {})
    assert (probe.rule, probe.images) == ("winoground", 2)
    assert probe.captions == (("a", "b"), ("c", "d"))
    if isinstance(images[0], dict):  # which images are the same is not known: none are
        assert probe.groups.tolist() == ["0", "1"]


def test_spaces_at_the_ends_of_captions_stay(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_text(json.dumps([{"caption": "a hat ", "negative_caption": " a cap"}]))
    assert read_captions(path, {}).captions == (("a hat ", " a cap"),)


def test_two_true_captions_and_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "probe.jsonl"
    rows = [{"filename": f"{k}", "caption": "a", "caption2": "b", "negative_caption": "c"} for k in range(2)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    probe = read_captions(path, {})
    assert (probe.rule, probe.captions) == ("two-true-captions", (("a", "b", "c"),) * 2)
    assert audit_probe(probe, "").verdict.chance == pytest.approx(1 / 3)


def test_examples_with_fewer_negatives_are_judged_by_what_they_have(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    rows = [{"caption": f"dog {k}", "negatives": ["a cat here"] * (1 + k % 3), "image": str(k)} for k in range(30)]
    path.write_text(json.dumps(rows))
    (found,) = json.loads(audit(path, "--json").output)
    assert found["chance"] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert found["rules"]["fewest words"]["score"] == 1
    assert found["rules"]["most words"]["score"] == 0


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_text(json.dumps([{"caption": "a", "other": "b"}]))
    with pytest.raises(UsageError, match=r"no column holds the negative caption .* Name it: --false COLUMN"):
        read_captions(path, {})
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read_captions(path, {})
    for text in ("7", '"words"', "[1, 2]", "null"):
        path.write_text(text)
        with pytest.raises(DataError, match="expected a list or an object of examples"):
            read_captions(path, {})
    for true, false, what in (
        (" ", "b", "true caption in caption: it is empty"),
        (None, "b", "true caption in caption: it is empty"),
        ("a", "", "negative caption in foil"),
    ):
        path.write_text(json.dumps({"seven": {"caption": true, "foil": false}}))
        with pytest.raises(DataError, match=f"the example seven has no {what}"):
            read_captions(path, {})
    path.write_text("[]")
    with pytest.raises(DataError, match="holds no example"):
        read_captions(path, {})
    with pytest.raises(UsageError, match="there is no such file"):
        read_captions(tmp_path / "none.json", {})
    with pytest.raises(UsageError, match="is no probe"):
        read_captions(TASKS.parent / "embedded" / "digits.toml", {})


def test_a_classifier_finds_the_word_that_gives_negatives_away_and_nothing_where_there_is_none() -> None:
    groups = np.arange(len(ADDED))
    for scores in classifier_scores(ADDED, groups).values():
        assert (scores[:, 0] > scores[:, 1]).mean() > 0.95
    twins = [pair for true, false in ADDED for pair in ((true, false), (false, true))]
    for scores in classifier_scores(twins, np.arange(len(twins)) // 2).values():
        assert (scores[:, 0] > scores[:, 1]).mean() + (scores[:, 0] == scores[:, 1]).mean() / 2 == pytest.approx(0.5)
    assert classifier_scores(ADDED, np.zeros(len(ADDED))) == {}
