"""The report card: what it says is what the examples say, on a page that opens from disk and on which no name acts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import NearestNeighbors

from repbench.datasets.open import open_dataset
from repbench.embeddings.store import Address, Shelf
from repbench.errors import UnknownNameError, UsageError
from repbench.leaderboard.card import make_card
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.judge import judge
from repbench.leaderboard.picture import gallery_of, items_of
from repbench.leaderboard.report import write_report
from repbench.leaderboard.tables import make_board, wide_table
from repbench.results.files import write_record
from repbench.tasks import load_catalogue
from tests.leaderboard.test_page import HOSTILE, drive
from tests.leaderboard.test_tables import INPUTS, record

NAMES = (HOSTILE[0], "rival", "control:random")
DATASET = open_dataset(load_catalogue(()).dataset("digits"))
SPLIT = DATASET.splits["test"]


def examples(right: float, seed: int) -> pd.DataFrame:
    rng, names = np.random.default_rng(seed), np.array(SPLIT.class_names)
    truth = names[SPLIT.label]
    guess = np.where(rng.random(len(truth)) < right, truth, names[(SPLIT.label + 1) % len(names)])
    frame = pd.DataFrame({"id": SPLIT.ids, "truth": truth, "prediction": guess, "score": (truth == guess).astype(float)})
    return frame.assign(light=np.where(SPLIT.label < 5, "day", "dusk"))


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    for place, (name, right) in enumerate(zip(NAMES, (0.6, 0.9, 0.1), strict=True)):
        frame = examples(right, place)
        inputs = replace(INPUTS, encoder_fingerprint=f"{place:032x}")
        made = record(name, "linear-probe/digits", float(frame.score.mean()), n=len(frame), inputs=inputs)
        write_record(folder / "results", replace(made, towers={"image": {"fingerprint": f"tower {place}", "dim": 4}}), frame)
    keys = tuple(dict.fromkeys(SPLIT.media["image"].keys))
    x = np.random.default_rng(3).normal(size=(len(keys), 1, 4)).astype(np.float32)
    Shelf(folder / "store", Address(tower="tower 0", view="plain", precision="fp32")).add(keys, x)
    return folder


def test_words_classes_and_confusions_are_those_of_the_examples(at: Path) -> None:
    board, read = open_board([at / "results"])
    card = make_card(board, read, judge(board, read), NAMES[0])
    assert card.rival == "rival"
    assert card.words["weaknesses"][0].startswith("Worse than rival on linear-probe/digits; most on linear-probe/digits, by 0.")
    assert not any("control:random" in line for line in card.words["weaknesses"])  # it is better than that
    (one,) = card.closer
    mine, theirs = examples(0.6, 0), examples(0.9, 1)
    assert one["matrix"] == confusion_matrix(mine.truth, mine.prediction, labels=one["names"]).tolist()
    assert {name: share for name, _, share in one["classes"]} == pytest.approx(mine.groupby("truth").score.mean().to_dict())
    only = (mine.score == 0) & (theirs.score == 1)
    assert one["counts"]["only the rival"] == only.sum()
    assert {failure["id"] for failure in one["failures"]} <= set(mine.id[only].astype(str))
    assert len({failure["truth"] for failure in one["failures"]}) > 5


def test_a_row_that_is_not_there_or_is_its_own_rival_is_refused(at: Path) -> None:
    board, read = open_board([at / "results"])
    with pytest.raises(UnknownNameError, match="rival"):
        make_card(board, read, judge(board, read), "rivall")
    with pytest.raises(UsageError, match="its own rival"):
        make_card(board, read, judge(board, read), "rival", "rival")


def test_the_rival_is_the_first_that_was_asked_the_same() -> None:
    asked = {
        "speech": ("knn/s",),
        "best": ("knn/x", "knn/y", "knn/z"),
        "me": ("knn/s", "zero-shot/s"),
        "near": ("zero-shot/s",),
    }
    board = make_board([record(name, task, 0.9 if name == "best" else 0.5) for name, tasks in asked.items() for task in tasks])
    assert wide_table(board)["encoder"].iloc[0] == "best"  # which shares no task with the others
    card = make_card(board, lambda one: None, judge(board, lambda one: None), "me")
    assert card.rival == "speech"


def test_neighbours_are_those_of_scikit_learn(at: Path) -> None:
    board, _ = open_board([at / "results"])
    (one,) = (done for done in board.done if done.encoder == NAMES[0])
    items = items_of(DATASET, one, at / "store")
    search = NearestNeighbors(metric="cosine", n_neighbors=8).fit(items.x)
    for row in gallery_of(items):
        wanted = [place for place in search.kneighbors(items.x[[row["query"]]])[1][0] if place != row["query"]]
        assert [place for place, _, _ in row["near"]] == wanted[:7]


def test_the_page_opens_and_no_name_acts_on_it(at: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.html"
    assert write_report(NAMES[0], [at / "results"], out, at / "store") == []
    script = """
    out.title = document.querySelector('h1').textContent;
    out.dots = document.querySelectorAll('.map circle').length;
    document.querySelector('.map').parentNode.querySelector('input').click();
    out.pictures = document.querySelectorAll('.map image').length;
    out.near = document.querySelectorAll('.near img').length;
    out.failures = document.querySelectorAll('.pictures img').length;
    """
    seen = drive(out.read_text(encoding="utf-8"), script, tmp_path)
    assert seen["title"] == NAMES[0]
    assert seen["dots"] == seen["pictures"] == len(SPLIT)
    assert seen["near"] == 8 * 8
    assert seen["failures"] == 24


def test_what_the_store_does_not_have_is_told_and_the_rest_is_shown(at: Path, tmp_path: Path) -> None:
    (line,) = write_report("rival", [at / "results"], tmp_path / "card.html", at / "store", rival=NAMES[0])
    assert line.startswith("digits: no map or pictures (")
    assert "not in the store" in line
