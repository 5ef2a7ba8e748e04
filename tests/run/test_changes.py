"""A dataset that changes: between runs it is an error that names what changed, and within a run nothing wrong is stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from repbench.embeddings.extract import Work, distinct, extract
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoders.load import load_encoder
from repbench.errors import DataError
from repbench.results.files import read_records
from repbench.results.record import DONE, FAILED
from tests.run.test_execute import run, settings

TASK = "knn/colours"


def swap(folder: Path) -> None:
    (folder / "train/red/02.png").write_bytes((folder / "train/red/03.png").read_bytes())


def relabel(folder: Path) -> None:
    (folder / "test/red/00.png").rename(folder / "test/blue/10.png")


def rename_class(folder: Path) -> None:
    for split in ("train", "val", "test"):
        (folder / split / "red").rename(folder / split / "rouge")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swap, "train: 1 of 30 examples have another image (first: train/red/02.png)"),
        (
            relabel,
            "test: 1 of 18 examples are gone (first: test/red/00.png); test: 1 of 18 examples are new (first: test/blue/",
        ),
        (rename_class, "train: the classes were ['red'] and are ['rouge']"),
    ],
)
def test_the_error_names_what_changed_and_the_ways_on(colours: Path, change: Callable[[Path], None], words: str) -> None:
    run(colours, tasks=TASK)
    change(colours / "data/colours")
    told = run(colours, tasks=TASK)[TASK]
    assert told.status == FAILED
    assert words in told.reason
    assert told.reason.endswith("Give --accept-changed-data to compute again what they change, or another --out to keep both.")
    assert sorted(one.status for one in read_records(colours / "results")) == [DONE, FAILED]  # the old result is kept


def test_it_is_an_error_for_another_encoder_too_whose_row_would_stand_beside(colours: Path) -> None:
    run(colours, tasks=TASK)
    swap(colours / "data/colours")
    assert "another image" in run(colours, "control:random", TASK)[TASK].reason


def test_accepted_the_results_are_computed_again_and_the_new_data_are_what_is_known(colours: Path) -> None:
    before = run(colours, tasks=TASK)[TASK]
    swap(colours / "data/colours")
    after = run(colours, tasks=TASK, accept_changed_data=True)[TASK]
    assert after.status == DONE
    assert after.inputs.dataset_fingerprint != before.inputs.dataset_fingerprint
    assert run(colours, "control:random", TASK)[TASK].status == DONE


def test_another_folder_of_results_may_hold_the_changed_data(colours: Path, tmp_path: Path) -> None:
    run(colours, tasks=TASK)
    swap(colours / "data/colours")
    assert run(colours, tasks=TASK, results=tmp_path / "other")[TASK].status == DONE


def test_data_that_come_back_end_the_error(colours: Path) -> None:
    run(colours, tasks=TASK)
    image = colours / "data/colours/train/red/02.png"
    good = image.read_bytes()
    swap(colours / "data/colours")
    run(colours, tasks=TASK)
    image.write_bytes(good)
    assert run(colours, tasks=TASK)[TASK].status == DONE
    assert [one.status for one in read_records(colours / "results")] == [DONE]


def test_a_record_alone_tells_that_the_data_were_others(colours: Path) -> None:
    run(colours, tasks=TASK)
    shutil.rmtree(colours / "results/.data")
    swap(colours / "data/colours")
    assert "their fingerprint was" in run(colours, tasks=TASK)[TASK].reason


@given(st.data())
@settings_of_hypothesis(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_byte_that_changes_in_the_memory_of_the_data_is_no_change_of_the_data(colours: Path, data: st.DataObject) -> None:
    if not (colours / "results").exists():
        run(colours, tasks=TASK)
    path = colours / "results/.data/colours/train.parquet"
    whole = path.read_bytes()
    content = bytearray(whole)
    content[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content if data.draw(st.booleans()) else content[: data.draw(st.integers(0, len(whole) - 1))])
    try:
        assert run(colours, "control:random", TASK)[TASK].status == DONE
    finally:
        path.write_bytes(whole)


def test_a_quick_look_is_no_change(colours: Path) -> None:
    run(colours, tasks=TASK)
    assert run(colours, tasks=TASK, limit=4)[TASK].status == DONE
    assert run(colours, "control:random", TASK)[TASK].status == DONE


def test_a_declaration_that_was_edited_is_another_task_and_no_changed_data(colours: Path) -> None:
    run(colours, tasks=TASK)
    for split in ("train", "val"):
        shutil.rmtree(colours / f"data/colours/{split}/blue")
    shutil.rmtree(colours / "data/colours/test/blue")
    text = (colours / "colours.toml").read_text()
    for before, after in (("classes = 3", "classes = 2"), ("= 30", "= 20"), ("= 12\n", "= 8\n"), ("= 18", "= 12")):
        text = text.replace(before, after)
    (colours / "colours.toml").write_text(text)
    assert run(colours, tasks=TASK)[TASK].status == DONE


def test_a_file_that_changes_while_the_run_goes_on_is_stored_under_no_other_files_key(colours: Path) -> None:
    from repbench.datasets.open import open_dataset
    from repbench.tasks import load_catalogue

    given = settings(colours)
    items = (
        open_dataset(load_catalogue([colours / "colours.toml"]).datasets["colours"], given.data).splits["train"].media["image"]
    )
    tower = load_encoder("control:pixels").towers["image"]
    found = distinct([(items, range(len(items)))])
    work = Work(
        address=Address(tower=tower.fingerprint, view="plain", precision="fp32"),
        view="plain",
        keys=tuple(found),
        places=tuple(found.values()),
    )
    swap(colours / "data/colours")
    shelf = Shelf(given.store, work.address)
    with pytest.raises(DataError, match=r"train/red/02.png: has changed since this run began"):
        extract(work, tower, shelf, ExtractOptions())
    assert items.keys[items.names.index(str(colours / "data/colours/train/red/02.png"))] in shelf.missing(work.keys)
