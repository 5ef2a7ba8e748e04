"""The reference runs go on from what is committed, and test what folds ask over the examples of all of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import permutation_test, ttest_rel

import repbench
from repbench.datasets.open import open_dataset
from repbench.results.files import write_record
from repbench.tasks import load_catalogue
from repbench.trainers import factors
from tests.leaderboard.test_tables import INPUTS, record

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
commit = pytest.importorskip("commit")
make = pytest.importorskip("make")
page = pytest.importorskip("page")
parts = pytest.importorskip("parts")
comparisons = pytest.importorskip("comparisons")
questions = pytest.importorskip("questions")
views = pytest.importorskip("views")
spoken = pytest.importorskip("spoken")

QUESTION = questions.Question(key="q", title="", pairs=(), measures=(questions.Measure(task="knn/digits"),), before="")


def test_what_is_committed_needs_no_weights_until_the_task_is_another_one(tmp_path: Path) -> None:
    examples = pd.DataFrame({"id": ["p", "q"], "truth": ["x", "y"], "score": [1.0, 0.0]})
    digest = repbench.list_tasks("knn/digits")[0].digest
    for name, inputs in (("now", replace(INPUTS, task_digest=digest)), ("before", INPUTS)):
        write_record(tmp_path / "trained", record(name, "knn/digits", 0.5, n=2, inputs=inputs), examples)
    commit.write([tmp_path / "trained"], tmp_path / "board")
    results = tmp_path / "work" / "results-small"
    assert not make.is_recorded("now", ["knn/digits"], QUESTION, results)
    make.begin_with(tmp_path / "board", results)
    make.begin_with(tmp_path / "nothing", results)
    assert make.is_recorded("now", ["knn/digits"], QUESTION, results)
    assert not make.is_recorded("before", ["knn/digits"], QUESTION, results)
    assert not make.is_recorded("now", ["knn/digits", "linear-probe/digits"], QUESTION, results)
    assert not make.is_recorded("now", ["knn/digits"], replace(QUESTION, limit=50), results)


@pytest.mark.parametrize("folds", [False, True])
def test_p_of_seeds_is_of_their_means_and_of_folds_of_all_examples(tmp_path: Path, folds: bool) -> None:
    rng = np.random.default_rng(0)
    right = rng.random((2, 3, 8)) < np.array([0.9, 0.4])[:, None, None]  # side, seed, example
    sides = []
    for side, of_side in enumerate(right.astype(float)):
        own = []
        for seed, scores in enumerate(of_side):
            ids = [f"{seed if folds else ''}-{one}" for one in range(8)]
            made = record(f"{side}-{seed}", "knn/x", scores.mean(), n=8)
            write_record(tmp_path, made, pd.DataFrame({"id": ids, "truth": "x", "score": scores}))
            own.append(next(one for one in commit.read_records(tmp_path) if one.encoder == made.encoder))
        sides.append(own)
    found, half = page._tested(*page._outcomes(sides, questions.Measure(task="knn/x"), folds, tmp_path), 3 if folds else 1)
    mine, other = (one.ravel() if folds else one.mean(0) for one in right.astype(float))
    differ = mine != other  # pairs that are equal swap without a difference; the others are few enough for all swaps
    theirs = permutation_test((mine[differ], other[differ]), lambda x, y: np.mean(x - y), permutation_type="samples")
    assert found == pytest.approx(theirs.pvalue)
    interval = ttest_rel(mine, other).confidence_interval()
    assert half == pytest.approx((interval.high - interval.low) / 2)


def test_what_is_read_of_several_factors_is_their_mean_skill(tmp_path: Path) -> None:
    """R² of numbers as it is; accuracy of a category above its chance of .5."""
    read = {"skill of light": [0.2, 0.2, 0.6, 0.2], "skill of class": [1.0, 1.0, 1.0, -1.0]}
    skills = pd.DataFrame({"id": list("abcd"), **read, "cluster": [0, 0, 1, 1]})
    made = record("m", "knn/x", 0.3, n=4)
    metrics = {
        f"kernel-{name}": replace(made.metrics["accuracy"], value=one) for name, one in (("light", 0.3), ("class", 0.75))
    }
    made = replace(made, metrics=metrics, primary="kernel-light", diagnostics={"chance": {"class": 0.5}})
    write_record(tmp_path, made, skills)
    (found,) = commit.read_records(tmp_path)
    part = f"{parts.READ}light, class"
    assert parts.value_of(found, part) == pytest.approx((0.3 + 0.5) / 2)
    assert parts.shares_in(found, part, tmp_path).added.sum() == pytest.approx(0.4)
    row = questions.Row(label="m", spec="m")
    measure = questions.Measure(task="knn/x", part=part)
    question = replace(QUESTION, measures=(measure,), beside=(row,))
    assert "| m         | 40.0" in page._beside(question, {("m", "knn/x"): found}, 1)


def test_spaces_of_one_encoder_share_their_training_run() -> None:
    question = next(one for one in comparisons.QUESTIONS if one.key == "spaces")
    rows = [row for pair in question.pairs for row in pair]
    trained = {row.run(2) for row in rows if row.is_trained}
    assert trained == {"style-retaining-furniture-2"}
    assert {row.run(2) for row in rows if not row.is_trained} == {"random-spaces-furniture-2"}
    assert {row.name(2) for row in rows if row.is_trained} == {
        f"style-retaining-{one}-furniture-2" for one in ("invariant", "crop", "colour", "turn")
    }
    asked = [(ours.label, one.part) for ours, _ in question.pairs for one in question.measures if ours.label in one.of]
    assert ("style-retaining-turn", f"{parts.READ}turn") in asked
    assert all(label.endswith("invariant") == (part == f"{parts.READ}class") for label, part in asked)


def test_views_are_what_the_table_says_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture is made anew from the numbers in its row; the class and the instance are those of the render."""
    monkeypatch.setattr(views, "open_dataset", lambda declared: open_dataset(declared, None, 4))
    assert views.write_views(tmp_path) == tmp_path
    table = pd.read_csv(tmp_path / "furniture-views" / "views.csv")
    source = views.open_dataset(load_catalogue().dataset("furniture")).splits["test"]
    own = table[table.split == "test"].reset_index(drop=True)
    assert own.of.tolist() == source.ids.tolist()
    assert own.instance.tolist() == source.columns["instance"].tolist()
    for place, row in own.iterrows():
        drawn = {name: torch.tensor([row[one] for one in ones], dtype=torch.float64) for name, ones in views.NUMBERS.items()}
        again = factors.apply(source.media["image"].load(place), drawn, views.SIDE)
        with Image.open(tmp_path / "furniture-views" / row.file) as picture:
            assert np.array_equal(np.asarray(picture), np.asarray(again))
    before = (tmp_path / "furniture-views" / "views.csv").stat().st_mtime_ns
    views.write_views(tmp_path)  # what is there is not written again
    assert (tmp_path / "furniture-views" / "views.csv").stat().st_mtime_ns == before


def test_words_of_the_test_are_none_of_those_that_are_trained_on(tmp_path: Path) -> None:
    source = tmp_path / "data" / "free-spoken-digits"
    source.mkdir(parents=True)
    table = {
        "audio": [b"x"] * 30,
        "digit": [place % 10 for place in range(30)],
        "speaker": [place // 10 for place in range(30)],
    }
    pd.DataFrame(table).to_parquet(source / "train-00000-of-00001.parquet")
    folder = spoken.write_words(tmp_path / "work", tmp_path / "data")
    cut = {one: pd.read_parquet(folder / "spoken-words" / f"{one}-00000-of-00001.parquet") for one in ("train", "val", "test")}
    assert {one: sorted(set(rows.digit)) for one, rows in cut.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "val": [6],
        "test": [7, 8, 9],
    }
    assert sum(map(len, cut.values())) == 30
    assert set(cut["test"].speaker) == {0, 1, 2}
    with pytest.raises(FileNotFoundError, match="no Parquet file of the Free Spoken Digits"):
        spoken.write_words(tmp_path / "other", tmp_path)


def test_each_seed_of_a_fold_has_names_of_its_own() -> None:
    question = next(one for one in comparisons.QUESTIONS if one.key == "pose-folds")
    row = question.pairs[0][0]
    assert row.name(3) == "lie-simclr-furniture-fold-3"
    assert make.tasks_of(question, row, 3) == ["pose-robustness/furniture-fold-3"]
    assert question.folds


def test_what_examples_add_to_a_part_is_that_part(tmp_path: Path) -> None:
    """A kind of a probe: the mean over its examples. A role: the mean over its factors of means over the rows of each."""
    none = float("nan")
    kinds = pd.DataFrame({"id": list("abc"), "subset": ["x", "y", "x"], "score": [1.0, 1.0, 0.0], "cluster": [0, 1, 2]})
    skills = pd.DataFrame(
        {
            "id": list("abcd"),
            "skill of class": [0.5, 0.25, none, none],
            "skill of object": [none, none, 1.0, 0.5],
            "skill of side": [0.1, 0.2, none, none],
            "cluster": [0, 0, 1, 1],
        }
    )
    roles = {"class": "content", "object": "content", "side": "style"}
    for part, value, examples, told in (
        ("accuracy:x", 0.5, kinds, {}),
        ("content", (0.375 + 0.75) / 2, skills, {"roles": roles}),
        ("style", 0.15, skills, {"roles": roles}),
    ):
        made = record("m", "knn/x", value, n=len(examples))
        made = replace(made, metrics={part: made.metrics["accuracy"]}, primary=part, diagnostics=told)
        write_record(tmp_path / part, made, examples)
        (read,) = commit.read_records(tmp_path / part)
        found = parts.shares_in(read, part, tmp_path / part)
        assert found.added.sum() == pytest.approx(value)
        assert len(found.ids) == len(found.clusters) == (2 if part == "accuracy:x" else 4)
        assert parts.value_of(read, part) == pytest.approx(value)
        wrong = replace(read, metrics={part: replace(read.metrics[part], value=value + 0.01)})
        with pytest.raises(AssertionError, match="do not add up"):
            parts.shares_in(wrong, part, tmp_path / part)
